"""A small clone of BlindTest's repository: all nestings of folders, all spellings of the VLMs, prompts made up."""

from pathlib import Path

from PIL import Image

VLMS = ("gpt-4o", "gemini-1.5-pro", "claude-3-sonnet", "claude-3.5-sonnet")

PROMPTS = """# Circled Word
1. Which letter has a ring?
2. Which character has a ring around it?

# Counting Circles/Pentagons
1. How many {shapes} do you see? Answer with a number.
2. Count the {shapes}. Write the number in curly brackets e.g. {3}.

{shapes} is either "circles" or "pentagons".

# Line Intersections
1. How many times do the lines meet?
2. Count the points where the lines meet.

# Nested Squares
1. Count the squares, e.g. {3}.
2. How many squares are there?

# Subway Map
1. How many paths go from {station1} to {station2}?
2. Count the routes from {station1} to {station1}.

# Touching Circle
1. Are the circles touching?
2. Are the circles overlapping?
"""

# A query: its folders with {} for the VLM's, that folder of each VLM, its file's name of each, and who was right.
LINES = ("LineIntersection/images/HowMany-prompt/{}", "gpt-4o gemini-1.5 sonnet3 sonnet3.5", "{}-how_gt_2_image_7.png")
WORD = (
    "CircledWord/images/Acknowledgement/{}/Which letter has a ring",
    "GPT-4o Gemini-1.5-Pro Sonnet Sonnet-3.5",
    "text_image_0a5f.png",
)
CIRCLES = (
    "CountingCircles/images/circles/Count-prompt/{}",
    "gpt-4o gemini-1.5 sonnet3 sonnet3.5",
    "{}_count_pixels_384_numCircles_5_black_9cc1.png",
)
SQUARES = (
    "NestedSquares/images/count-prompt/{}",
    "gpt-4o Gemini-1.5-Pro Sonnet-3 Sonnet-3.5",
    "nested_squares_depth_2_image_6.png",
)
SUBWAY = ("SubwayMap/images/Count-prompt/{}", "gpt-4o gemini-1.5 sonnet-3 sonnet-3.5", "{}_A_C_04ec.png")
TOUCHING = (
    "TouchingCircle/images/overlapping-prompt/{}",
    "gpt-4o gemini-1.5 sonnet-3 sonnet-3.5",
    "{}_overlap_pixels_384_distance_-0.15.png",
)
QUERIES = (LINES, WORD, CIRCLES, SQUARES, SUBWAY, TOUCHING)
_PREFIXES = {
    LINES: ("gpt", "gemini", "sonnet", "sonnet3-5"),
    CIRCLES: ("gpt", "gemini", "claude", "claude_3_5"),
    SUBWAY: ("gpt", "gemini", "calude", "sonnet-3-5"),
    TOUCHING: ("gpt", "gemini", "claude", "claude_3_5"),
}
RIGHT = ("1100", "0101", "1111", "0000", "1010", "001")  # by query, of each VLM; the last one has no outcome at the end


def write_log(folder: Path) -> tuple[Path, ...]:
    """Write a clone; the source to import it from."""
    clone = folder / "vision-llms-are-blind"
    (clone / "src").mkdir(parents=True)
    (clone / "src/prompts.md").write_text(PROMPTS, encoding="utf-8")
    for number, (query, right) in enumerate(zip(QUERIES, RIGHT, strict=True)):
        picture = Image.new("RGB", (8, 8), (40 * number, 0, 128))
        for vlm, mark in zip(VLMS, right, strict=False):
            path = picture_path(clone, query, vlm, correct=mark == "1")
            path.parent.mkdir(parents=True, exist_ok=True)
            picture.save(path)
    write_examples(clone)
    return (clone,)


def picture_path(clone: Path, query: tuple[str, str, str], vlm: str, *, correct: bool) -> Path:
    """Where a VLM's copy of a query's picture lies."""
    folders, spellings, name = query
    index = VLMS.index(vlm)
    folder = clone / "src" / folders.format(spellings.split()[index]) / ("correct" if correct else "incorrect")
    return folder / (name.format(_PREFIXES[query][index]) if query in _PREFIXES else name)


def write_examples(clone: Path) -> None:
    """What else lies in the repository: examples, notes, hidden files."""
    example = Image.new("RGB", (8, 8), "red")
    for name in ("src/SubwayMap/images/example.png", "src/LinearProbe/images/a.png", "src/NestedSquares/figure.png"):
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        example.save(clone / name)
    (clone / "src/SubwayMap/README.md").write_text("# Task 7\n")
    (clone / "src/SubwayMap/images/Count-prompt/gpt-4o/correct/.DS_Store").write_bytes(b"\0")

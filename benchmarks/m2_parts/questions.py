"""Questions of M2's kind: multiple choice, in several scripts, 10 to some 100 words long, none twice."""

import numpy as np

# A task shows in how its question opens. VHELM's tasks are others, but about the same skills.
TASKS = {
    "ALM-bench": ("custom", "food", "landmark", "festival", "literature", "music"),
    "MMT-Bench": ("counting", "reading", "relation", "reasoning", "detection", "emotion"),
    "MME-RealWorld": ("monitoring", "autonomous-driving", "remote-sensing", "diagram-and-table", "ocr-in-the-wild"),
    "VHELM": ("a-okvqa", "viz-wiz", "mm-star", "hateful-memes", "seed-bench", "math-vista"),
}
_OPENINGS = ("Which", "How many", "Where is", "What does", "Who has", "Why is", "Is there", "Read", "Compare", "Name")
_ENGLISH = (
    "the a of in on at with from under above left right near large small red blue green white black open closed "
    "old new picture sign table chart number word letter line road car street building house window door tree "
    "field sky river person child hand face group team dish bread fruit dress song dance market temple bridge "
    "tower ship plane train value highest lowest total second third first year month price distance direction "
    "colour shape object text name shown written standing moving holding wearing facing between behind most least "
    "same different"
).split()
# Made-up words of other scripts: a picture's language matters to the encoder only by how many pieces its words have.
_SYLLABLES = {
    "Spanish": "ca ra mo ta ción les pue en do al".split(),
    "Russian": "ко ра по ме ни сто ва ла ди ру".split(),  # noqa: RUF001
    "Hindi": "का रा मो ने ती सा पु लि दा यू".split(),
    "Chinese": list("的一是在有人这中大来上个国我"),
    "Arabic": "ما سا لا كي نو را تي با دو في".split(),
}
LANGUAGES = ("English", *_SYLLABLES)


def question(benchmark: str, task: str, language: str, number: int, rng: np.random.Generator) -> str:
    """A question with four options; its number makes it the only one of its kind."""
    opening = _OPENINGS[sum(map(ord, benchmark + task)) % len(_OPENINGS)]
    length = int(np.clip(rng.lognormal(2.7, 0.5), 6, 70))
    words = _words(language, length + 4, rng)
    options = " ".join(f"({letter}) {word}" for letter, word in zip("ABCD", words[-4:], strict=True))
    return f"{opening} {task.replace('-', ' ')} {' '.join(words[:length])} {number}? {options}"


def _words(language: str, count: int, rng: np.random.Generator) -> list[str]:
    if language == "English":
        return [_ENGLISH[place] for place in rng.integers(0, len(_ENGLISH), count)]
    parts = _SYLLABLES[language]
    return ["".join(parts[place] for place in places) for places in rng.integers(0, len(parts), (count, 3))]

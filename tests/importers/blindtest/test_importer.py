import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from PIL import Image

from arms.data import pictures
from arms.data.tables import read_dataset
from arms.errors import ArmsError
from arms.importers.blindtest.blindtest_importer import BlindTestImporter
from arms.importers.blindtest.picture_folders import _VLM_OF, Picture, read_pictures
from arms.importers.blindtest.prompts import choose_prompt, fill_prompt, prompts_of, read_prompts
from arms.importers.import_report import ImportReport
from arms.importers.run import ImportOptions, import_log
from arms.importers.set_aside import SetAside
from tests.importers.logs.blindtest import (
    CIRCLES,
    LINES,
    PROMPTS,
    QUERIES,
    RIGHT,
    SQUARES,
    TOUCHING,
    VLMS,
    WORD,
    picture_path,
    write_log,
)

FREE = ImportOptions(access="free")

Imported = tuple[list[dict[str, Any]], dict[tuple[str, str], bool], ImportReport]
Import = Callable[..., Imported]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    (source,) = write_log(tmp_path)
    return source


@pytest.fixture
def load(tmp_path: Path, clone: Path) -> Import:
    """Imports the clone and gives the queries, the verdicts by task and VLM, and the report."""

    def run(*sources: Path, options: ImportOptions = FREE) -> Imported:
        report = import_log(BlindTestImporter(), sources or [clone], tmp_path / "out", replace(options, replace=True))
        dataset = read_dataset(tmp_path / "out")
        queries = dataset.queries.astype(object).where(dataset.queries.notna(), None)
        judged = dataset.outcomes.merge(dataset.queries[["query_id", "task"]])
        verdicts = {(row.task, row.vlm): row.correct for row in judged.itertuples()}
        assert len(verdicts) == len(judged)
        return queries.to_dict("records"), verdicts, report

    return run


def kinds(report: ImportReport) -> dict[str, int]:
    """What was set aside or noted, and how often; but that no VLM has a profile."""
    return {one.kind: one.count for one in report.report.findings if one.kind != "VLM without a profile"}


def expected_verdicts() -> dict[tuple[str, str], bool]:
    return {
        (query[0].split("/")[0], vlm): mark == "1"
        for query, right in zip(QUERIES, RIGHT, strict=True)
        for vlm, mark in zip(VLMS, right, strict=False)
    }


def test_all_spellings_and_nestings_are_joined(load: Import, clone: Path, tmp_path: Path) -> None:
    queries, verdicts, report = load()
    assert verdicts == expected_verdicts()
    assert {row["task"]: (row["question"], row["answer"]) for row in queries} == {
        "LineIntersection": ("How many times do the lines meet?", "2"),
        "CircledWord": ("Which letter has a ring?", None),
        "CountingCircles": ("Count the circles. Write the number in curly brackets e.g. {3}.", "5"),
        "NestedSquares": ("Count the squares, e.g. {3}.", None),
        "SubwayMap": ("Count the routes from A to C.", None),
        "TouchingCircle": ("Are the circles overlapping?", None),
    }
    assert {(row["benchmark"], row["language"]) for row in queries} == {("blindtest", "en")}
    assert len({row["query_id"] for row in queries}) == 6
    assert tuple(report.report.outcomes_per_vlm) == VLMS
    assert report.report.outcomes_per_vlm["claude-3.5-sonnet"] == 5
    assert report.verdicts == ("a picture in a folder named correct",)
    assert (report.images_found, report.rows_set_aside) == (6, 0)
    assert kinds(report) == {}
    (lines,) = (row for row in queries if row["task"] == "LineIntersection")
    kept = (tmp_path / "out" / lines["images"][0]).read_bytes()
    assert kept == picture_path(clone, LINES, "gpt-4o", correct=True).read_bytes()


def test_the_source_may_be_the_folder_src_and_ids_stay(load: Import, clone: Path) -> None:
    assert load(clone / "src")[:2] == load(clone)[:2]


def test_queries_that_share_a_picture(load: Import, clone: Path) -> None:
    source = picture_path(clone, CIRCLES, "gpt-4o", correct=True)
    again = source.with_name(source.name.replace("_9cc1", "_9cc1_2"))
    shutil.copy(source, again)
    other = Path(str(source).replace("Count-prompt", "HowMany-prompt").replace("count_", "how_"))
    other.parent.mkdir(parents=True)
    shutil.copy(source, other)
    report = import_log(BlindTestImporter(), [clone], clone.parent / "out", FREE)
    queries = read_dataset(clone.parent / "out").queries.query("task == 'CountingCircles'")
    assert queries["question"].str.startswith("How many circles do you see?").tolist().count(True) == 1
    assert len(queries) == 3
    assert queries["images"].nunique() == 1
    assert report.report.distinct_images == 6


def test_the_same_prompt_in_two_spellings(load: Import, clone: Path) -> None:
    folder = picture_path(clone, WORD, "gpt-4o", correct=False).parents[1]
    folder.rename(folder.with_name("Which letter has a ring?"))
    assert load()[1] == expected_verdicts()


def test_a_picture_that_is_another_one(load: Import, clone: Path) -> None:
    Image.new("RGB", (8, 8), "white").save(picture_path(clone, SQUARES, "gpt-4o", correct=False))
    queries, verdicts, report = load()
    assert ("NestedSquares", "gpt-4o") not in verdicts
    assert len(verdicts) == 22
    assert len(queries) == 6
    assert kinds(report) == {"picture that differs from the other VLMs'": 1}
    Image.new("RGB", (8, 8), "white").save(picture_path(clone, SQUARES, "gemini-1.5-pro", correct=False))
    queries, verdicts, report = load()
    assert "NestedSquares" not in {row["task"] for row in queries}, "two pictures, and none is more common"
    assert kinds(report) == {"picture that differs from the other VLMs'": 4}


def test_a_vlm_that_was_both_right_and_wrong(load: Import, clone: Path) -> None:
    right = picture_path(clone, CIRCLES, "gpt-4o", correct=True)
    wrong = picture_path(clone, CIRCLES, "gpt-4o", correct=False)
    wrong.parent.mkdir(parents=True)
    shutil.copy(right, wrong)
    _, verdicts, report = load()
    assert ("CountingCircles", "gpt-4o") not in verdicts
    assert kinds(report) == {"conflicting rows for one query_id and vlm": 2}


def test_a_broken_picture(load: Import, clone: Path) -> None:
    for vlm, mark in zip(VLMS, RIGHT[3], strict=True):
        picture_path(clone, SQUARES, vlm, correct=mark == "1").write_bytes(b"no picture")
    queries, _, report = load()
    assert len(queries) == 5
    assert kinds(report) == {"unreadable image": 1, "query set aside": 4}


def test_folders_and_files_that_cannot_be_used(load: Import, clone: Path) -> None:
    src = clone / "src"
    picture = picture_path(clone, SQUARES, "gpt-4o", correct=False)
    for folder in (
        "NestedSquares/images/count-prompt/llava/correct",
        "NestedSquares/images/count-prompt/gpt-4o/sonnet-3/correct",
        "NestedSquares/images/other-prompt/gpt-4o/correct",
        "Unheard/images/count-prompt/gpt-4o/correct",
        "SubwayMap/images/Count-prompt/Sonnet/correct",
    ):
        (src / folder).mkdir(parents=True)
        shutil.copy(picture, src / folder / "nested.png")
    picture.with_name("notes.txt").write_text("?")
    picture.with_name("link.png").symlink_to(picture)
    (src / "NestedSquares/images/linked").symlink_to(src / "CircledWord/images")
    (src / "Linked").symlink_to(src / "CircledWord")
    _, verdicts, report = load()
    assert verdicts == expected_verdicts()
    assert kinds(report) == {
        "folder of no known VLM": 1,
        "folder of more than one known VLM": 1,
        "pictures of an unknown prompt": 1,
        "pictures of a task without prompts": 1,
        "picture that does not fit its prompt": 1,
        "file that is not a picture": 2,
    }
    assert report.rows_set_aside == 7
    places = pd.read_parquet(clone.parent / "out/set_aside/source.parquet")
    assert places["where"].str.startswith(str(src)).all()


def test_pictures_that_cannot_be_read(load: Import, clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = picture_path(clone, SQUARES, "gpt-4o", correct=False).stat().st_size
    with picture_path(clone, TOUCHING, "gpt-4o", correct=False).open("ab") as stream:
        stream.write(bytes(1000))
    monkeypatch.setattr(pictures, "LARGEST_FILE", size + 100)
    _, verdicts, report = load()
    assert ("TouchingCircle", "gpt-4o") not in verdicts
    assert kinds(report) == {"picture that cannot be read": 1}


def test_a_missing_section_costs_its_task_alone(load: Import, clone: Path) -> None:
    sections = PROMPTS.split("# ")
    (clone / "src/prompts.md").write_text("# ".join(part for part in sections if not part.startswith("Subway")))
    queries, _, report = load()
    assert "SubwayMap" not in {row["task"] for row in queries}
    assert kinds(report) == {"pictures of a task without prompts": 4}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"prompts\.md: expected sections with numbered prompts"),
        (b"# Nested Squares\nCount.\n", "expected sections with numbered prompts"),
        (b"\xff\xfe", "expected the prompts as text in UTF-8, could not read it"),
        (b"# Other\n1. Why?\n", r"got none that can be used: 23 times pictures of a task without prompts$"),
        (None, r"expected a clone of github\.com/anguyen8/vision-llms-are-blind, with src/prompts\.md, got none"),
    ],
)
def test_clones_that_cannot_be_used(load: Import, clone: Path, content: bytes | None, message: str) -> None:
    if content is None:
        (clone / "src/prompts.md").unlink()
    else:
        (clone / "src/prompts.md").write_bytes(content)
    with pytest.raises(ArmsError, match=message):
        load()
    assert not (clone.parent / "out").exists()


def test_other_sources(load: Import, clone: Path, tmp_path: Path) -> None:
    with pytest.raises(ArmsError, match=r"blindtest: expected one source, a clone of .*, got 2"):
        load(clone, clone)
    with pytest.raises(ArmsError, match="expected a clone of"):
        load(clone / "src/prompts.md")
    (tmp_path / "secret").write_text("# Nested Squares\n1. Count?\n")
    (clone / "src/prompts.md").unlink()
    (clone / "src/prompts.md").symlink_to(tmp_path / "secret")
    with pytest.raises(ArmsError, match="expected a clone of"):
        load()


def test_links_out_of_the_clone(load: Import, clone: Path, tmp_path: Path) -> None:
    (clone / "src").rename(tmp_path / "elsewhere")
    (clone / "src").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ArmsError, match="expected a clone of"):
        load()
    (tmp_path / "alias").symlink_to(tmp_path / "elsewhere")
    assert load(tmp_path / "alias")[1] == expected_verdicts(), "the source itself may be a link"


@pytest.mark.parametrize(
    "spelling", ["gpt-4o", "GPT-4o", "gemini-1.5", "Gemini-1.5-Pro", "sonnet3", "Sonnet", "claude_3_5"]
)
@pytest.mark.parametrize("layout", ["Count-prompt/{}/correct", "{}/Count-prompt/correct", "a/{}/Count-prompt/Correct"])
def test_the_vlm_may_stand_anywhere(tmp_path: Path, spelling: str, layout: str) -> None:
    folder = tmp_path / "SubwayMap/images" / layout.format(spelling)
    folder.mkdir(parents=True)
    (folder / "claude_3_5_how_A_D_1.PNG").touch()
    aside = SetAside()
    ((picture,),) = read_pictures(tmp_path / "SubwayMap/images", aside)
    folders = tuple(part for part in layout.split("/")[:-1] if part != "{}")
    vlm = {"gp": "gpt-4o", "ge": "gemini-1.5-pro", "so": "claude-3-sonnet", "cl": "claude-3.5-sonnet"}
    expected = Picture(
        folder / "claude_3_5_how_A_D_1.PNG", "SubwayMap", folders, vlm[spelling.lower()[:2]], True, "A_D_1"
    )
    assert picture == expected
    assert aside.count == 0


def test_every_vlm_has_its_spellings() -> None:
    assert set(_VLM_OF.values()) == set(VLMS)


# How folders are called in the repository, and which of a task's prompts each means: the how-many one or the other.
HOW, COUNT = "How many rows and columns are in the table?", "Count the number of rows and columns."


@pytest.mark.parametrize(
    ("folder", "prompt"),
    [
        ("HowMany-prompt", HOW),
        ("how-many-prompt", HOW),
        ("Howmany", HOW),
        ("HowManyRC-prompt", HOW),
        ("Count-prompt", COUNT),
        ("CountRC-prompt", COUNT),
        ("table-prompt", HOW),
        ("rows-prompt", None),  # both
        ("prompt", None),
        ("Acknowledgement", None),
    ],
)
def test_folders_named_after_prompts(folder: str, prompt: str | None) -> None:
    assert choose_prompt([folder], [HOW, COUNT]) == (None if prompt is None else (prompt, ()))
    assert choose_prompt(["circles", folder], [HOW, COUNT]) == (None if prompt is None else (prompt, ("circles",)))
    assert choose_prompt([folder, "Count-prompt"], [HOW, COUNT]) == ((COUNT, (folder,)) if prompt is None else None), (
        "two folders of prompts are one too many"
    )


@pytest.mark.parametrize(
    ("prompt", "folders", "picture", "question"),
    [
        ("Count the {shapes}, e.g. {3}.", ["circles"], "pixels_1", "Count the circles, e.g. {3}."),
        ("Count the {shapes}.", [], "pixels_1", None),
        ("Count the {shapes}.", ["circles", "big"], "pixels_1", None),
        ("From {station1} to {station1}?", [], "B_D_04d4", "From B to D?"),
        ("From {station1} to {station2}?", [], "pixels_B_D", None),
        ("Which letter?", ["Word"], "text_image", "Which letter?"),
        ("A {b\\g<0>}", ["\\1{c}"], "d", "A {b\\g<0>}"),
        ("A {b}", ["\\1{c}"], "d", "A \\1{c}"),
    ],
)
def test_blanks_are_filled(prompt: str, folders: list[str], picture: str, question: str | None) -> None:
    assert fill_prompt(prompt, folders, picture) == question


def test_sections_belong_to_tasks(tmp_path: Path) -> None:
    (tmp_path / "p.md").write_text(
        "# Nested Squares\n1. A?\n2) B?\n\nNote\n## Counting Rows/Columns\n 1.  C?  \n# Counting X\n", "utf-8-sig"
    )
    prompts = read_prompts(tmp_path / "p.md")
    assert prompts == {"nestedsquares": ["A?", "B?"], "countingrowscolumns": ["C?"], "countingx": []}
    assert prompts_of("NestedSquares", prompts) == ["A?", "B?"]
    assert prompts_of("CountingRows", prompts) == ["C?"]
    assert prompts_of("Counting", prompts) == (), "two sections"
    assert prompts_of("Other", prompts) == ()

import errno
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd
import pytest
from PIL import Image

from arms.data.profiles import VlmProfile
from arms.data.tables import read_dataset
from arms.data.validation import validate
from arms.errors import ArmsError
from arms.importers.base import Importer, Intake, Log, setting
from arms.importers.import_report import ImportReport
from arms.importers.run import ImportOptions, import_log

QUERIES = pd.DataFrame(
    {
        "query_id": ["q0", "q1", "q2"],
        "benchmark": "counting",
        "task": "dots",
        "language": "en",
        "question": "How many?",
        "image": ["0.png", "1.png", "0.png"],
        "answer": ["3", None, "4"],
    }
)
OUTCOMES = pd.DataFrame(
    {
        "query_id": ["q0", "q1", "q2", "q0", "q1"],
        "vlm": ["org/gpt-4o"] * 3 + ["new"] * 2,
        "correct": [True, False, True, True, None],
    }
)


@dataclass(frozen=True, kw_only=True)
class MadeImporter(Importer):
    """Gives a log made by a test."""

    summary: ClassVar[str] = "Nothing."
    example: ClassVar[str] = "arms import made"

    folders: tuple[Path, ...] = setting("Some folders.", ())
    word: str | None = setting("A word.")
    share: float = setting("A number.", 0.5)

    def read(self, sources: Sequence[Path], intake: Intake) -> Log:
        return vars(self)["make"](intake)


def importer(make: Callable[[Intake], Log], **settings: Any) -> MadeImporter:
    made_importer = MadeImporter(**settings)
    vars(made_importer)["make"] = make
    return made_importer


def made(queries: pd.DataFrame = QUERIES, outcomes: pd.DataFrame = OUTCOMES, **others: Any) -> Log:
    return Log(queries, outcomes, tuple(outcomes["vlm"].dropna().unique()), **others)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder with two images."""
    source = tmp_path / "log"
    source.mkdir()
    for number in range(2):
        Image.new("RGB", (4, 4), (number, 0, 0)).save(source / f"{number}.png")
    return source


def run(
    source: Path, make: Callable[[Intake], Log] = lambda intake: made(), *, access: Any = "free", **options: Any
) -> ImportReport:
    destination = source.parent / "out"
    return import_log(importer(make), [source], destination, ImportOptions(access=access, **options))


def left(source: Path) -> list[str]:
    """What stands beside the log."""
    return sorted(path.name for path in source.parent.iterdir() if path != source)


def test_what_is_written(source: Path, tmp_path: Path) -> None:
    report = run(source)
    out = read_dataset(tmp_path / "out")
    assert validate(out, strict=True).report.queries_kept == 3
    assert out.outcomes["correct"].tolist() == [True, False, True, True]
    assert [vlm.name for vlm in out.vlms] == ["org/gpt-4o", "new"]
    assert out.queries["images"].nunique() == 2
    assert out.queries["images"].str[0].str.fullmatch(r"images/\w{20}\.png").all()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "images",
        "import_report.json",
        "outcomes.parquet",
        "queries.parquet",
        "set_aside",
        "vlms.yaml",
    ]
    assert json.loads((tmp_path / "out/import_report.json").read_text()) == report.to_dict()


def test_the_report(source: Path) -> None:
    def make(intake: Intake) -> Log:
        intake.aside.add("broken row", "log, row 9", "write it again", count=2)
        intake.aside.note("odd name", "log, row 8", "look at it")
        queries = QUERIES.assign(image=["0.png", "gone.png", "0.png"])
        return made(queries, verdicts=("exact_match >= 1", "score >= 0.5"))

    report = run(source, make)
    assert report.text().splitlines()[:8] == [
        "images: 1 found, 1 not",
        "rows of the log set aside: 2",
        "correct: exact_match >= 1, score >= 0.5",
        "queries: 2 kept, 1 set aside",
        "outcomes: 3 kept, 2 set aside",
        "distinct images: 1",
        "VLM org/gpt-4o: 2 outcomes, 0.0% of the queries missing",
        "VLM new: 1 outcomes, 50.0% of the queries missing",
    ]
    assert "source: 2 set aside: broken row; write it again" in report.text()
    assert "source: 1 noted: odd name; look at it" in report.text()
    assert "queries: 1 set aside: missing image file; if the images are elsewhere here, name" in report.text()
    data = report.to_dict()
    assert data["format"] == "MadeImporter"
    assert data["sources"] == [str(source)]
    assert data["correct"] == ["exact_match >= 1", "score >= 0.5"]
    assert data["images"] == {"found": 1, "not_found": 1}
    assert data["rows_set_aside"] == 2
    assert data["queries"] == {"kept": 2, "set_aside": 1}
    assert data["outcomes"] == {"kept": 3, "set_aside": 2}
    assert data["vlms"]["new"] == {"outcomes": 1, "share_missing": 0.5}
    kinds = [(found["table"], found["kind"], found["count"], found["set_aside"]) for found in data["findings"]]
    assert kinds == [
        ("source", "broken row", 2, True),
        ("source", "odd name", 1, False),
        ("source", "VLM without a profile", 2, False),
        ("queries", "missing image file", 1, True),
        ("outcomes", "query set aside", 2, True),
    ]
    source_rows = pd.read_parquet(source.parent / "out/set_aside/source.parquet")
    assert source_rows.to_numpy().tolist() == [["log, row 9", "broken row", "", 2]]


def test_settings_stand_in_the_report(source: Path, tmp_path: Path) -> None:
    made_importer = importer(lambda intake: made(), folders=(Path("a"), Path("caf\udce9")), word="w\ud800")
    report = import_log(made_importer, [str(source)], tmp_path / "out", ImportOptions(access="free"))
    assert report.settings == {"folders": ["a", "caf?"], "word": "w?", "share": 0.5}
    assert json.loads((tmp_path / "out/import_report.json").read_text())["settings"] == report.settings


def test_strict_counts_what_the_importer_set_aside(source: Path) -> None:
    def make(intake: Intake, *, note: bool) -> Log:
        (intake.aside.note if note else intake.aside.add)("odd", "log", "look at it")
        return made(outcomes=OUTCOMES[:4])

    assert run(source, lambda intake: make(intake, note=True), strict=True).rows_set_aside == 0
    with pytest.raises(
        ArmsError, match=rf"^{source}: expected every row to be usable \(strict\)(.*\n)*.*1 set aside: odd"
    ):
        run(source, lambda intake: make(intake, note=False), strict=True, replace=True)
    assert left(source) == ["out"], "the older dataset stays"


def test_profiles_from_the_catalogue_and_renaming(source: Path, tmp_path: Path) -> None:
    catalogue = (
        VlmProfile(name="GPT-4o", access="paid", price_in=2.5),
        VlmProfile(name="x", access="free", params_b=7),
    )
    report = run(source, catalogue=catalogue, rename={"new": "x"}, access=None)
    vlms = read_dataset(tmp_path / "out").vlms
    assert [(vlm.name, vlm.price_in, vlm.params_b) for vlm in vlms] == [("org/gpt-4o", 2.5, None), ("x", None, 7)]
    assert list(report.report.outcomes_per_vlm) == ["org/gpt-4o", "x"]
    assert not any(found.kind == "VLM without a profile" for found in report.report.findings)


def test_names_that_may_be_one_vlm(source: Path) -> None:
    catalogue = (VlmProfile(name="gpt-4o", access="paid"),)
    outcomes = OUTCOMES.assign(vlm=OUTCOMES["vlm"].replace({"new": "GPT 4o"}))
    report = run(source, lambda intake: made(outcomes=outcomes), catalogue=catalogue)
    (found,) = [found for found in report.report.findings if found.table == "source"]
    assert (found.kind, found.set_aside) == ("VLM whose name is nearly another's", False)
    assert found.rows == (
        {"where": "org/gpt-4o", "detail": "--rename org/gpt-4o=gpt-4o"},
        {"where": "GPT 4o", "detail": "--rename 'GPT 4o=gpt-4o'"},
    )
    outcomes = OUTCOMES.assign(vlm=OUTCOMES["vlm"].replace({"new": "gpt-4o-2024-08-06"}))
    report = run(source, lambda intake: made(outcomes=outcomes), catalogue=catalogue, replace=True)
    assert [found.kind for found in report.report.findings if found.table == "source"] == [
        "VLM whose name is nearly another's",
        "VLM with the profile of its name without the date",
    ]


def test_a_path_into_a_cache_is_no_name(source: Path) -> None:
    path = "/home/me/.cache/huggingface/hub/models--Qwen--Qwen2-VL/snapshots/a28a094eb66a"
    outcomes = OUTCOMES.assign(vlm=OUTCOMES["vlm"].replace({"new": path}))
    report = run(source, lambda intake: made(outcomes=outcomes))
    assert list(report.report.outcomes_per_vlm) == ["org/gpt-4o", "Qwen/Qwen2-VL"]


def test_the_log_s_own_profiles_go_first(source: Path, tmp_path: Path) -> None:
    own = (VlmProfile(name="new", access="free", provider="the log"),)
    run(source, lambda intake: made(profiles=own), catalogue=(VlmProfile(name="new", access="paid"),))
    assert read_dataset(tmp_path / "out").vlms[1].provider == "the log"


def test_vlms_without_a_profile(source: Path) -> None:
    with pytest.raises(ArmsError, match=r"the log has VLMs without a profile: org/gpt-4o, new\n(.*\n)*.*--access free"):
        run(source, access=None)
    assert left(source) == []
    (found,) = [found for found in run(source).report.findings if found.table == "source"]
    assert (found.kind, found.count, found.set_aside) == ("VLM without a profile", 2, False)


def test_two_vlms_that_become_one_must_agree(source: Path) -> None:
    report = run(source, rename={"new": "org/gpt-4o"})
    assert report.report.outcomes_per_vlm == {"org/gpt-4o": 2}  # of q1 one has no verdict, of q0 both are right
    kinds = {found.kind: found.count for found in report.report.findings if found.table == "outcomes"}
    assert kinds == {"conflicting rows for one query_id and vlm": 2, "repeated row for one query_id and vlm": 1}


def test_roots_and_a_prefix(source: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (source / "1.png").rename(tmp_path / "elsewhere/1.png")
    queries = QUERIES.assign(image=["/data/0.png", "/data/1.png", "/data/0.png"])
    flags = "name their folder: --images FOLDER; .* name also what they begin with there: --image-prefix PATH"
    with pytest.raises(
        ArmsError, match=rf"at least one usable query, got none(.*\n)*.*image outside the roots; .*{flags}"
    ):
        run(source, lambda intake: made(queries))
    with pytest.raises(ArmsError, match=rf"missing image file; .*{flags}"):
        run(source, lambda intake: made(queries.assign(image="eval/0.png")))
    report = run(
        source, lambda intake: made(queries), roots=(source, tmp_path / "elsewhere"), image_prefixes=("/data",)
    )
    assert (report.images_found, report.report.queries_kept) == (2, 3)


def test_images_that_come_with_the_log(source: Path, tmp_path: Path) -> None:
    content = (source / "1.png").read_bytes()

    def make(intake: Intake) -> Log:
        return made(QUERIES.assign(image=[intake.images.add(content), "1.png", intake.images.add_base64("no")]))

    report = run(source, make)
    out = read_dataset(tmp_path / "out")
    assert out.queries["query_id"].tolist() == ["q0", "q1"]
    assert (report.report.distinct_images, report.images_found, report.images_lost) == (1, 2, 1)
    ((image,),) = out.queries["images"].unique()
    assert (tmp_path / "out" / image).read_bytes() == content


def test_verdicts_of_no_kind_are_set_aside_with_the_rest(source: Path, tmp_path: Path) -> None:
    """A column of several types, which Parquet could not hold."""
    outcomes = OUTCOMES.assign(correct=pd.Series([True, "maybe", 2, True, [1]], dtype=object))
    outcomes.loc[3, "query_id"] = "q9"
    run(source, lambda intake: made(outcomes=outcomes))
    rejected = pd.read_parquet(tmp_path / "out/set_aside/outcomes.parquet")
    assert sorted(zip(rejected["query_id"], rejected["correct"], strict=True)) == [
        ("q1", "[1]"),
        ("q1", "maybe"),
        ("q2", "2"),
        ("q9", "True"),
    ]


def test_texts_that_cannot_be_written(source: Path, tmp_path: Path) -> None:
    half = pd.Series(["half \ud800", "How many?", "How many?"], dtype=object)
    queries = QUERIES.drop(columns="question").assign(question=half)
    outcomes = OUTCOMES.assign(output=pd.Series(["\udfff", None, "a\0b", "c", "d"], dtype=object))
    run(source, lambda intake: made(queries, outcomes))
    out = read_dataset(tmp_path / "out")
    assert out.queries["question"].iloc[0] == "half ?"
    assert out.outcomes["output"].astype(object).tolist()[::2][:2] == ["?", "a\0b"]


@pytest.mark.parametrize("number", [2**70, 10**400])
def test_numbers_that_no_table_can_hold(source: Path, number: int) -> None:
    outcomes = OUTCOMES.assign(correct=pd.Series([number, False, True, True, None], dtype=object))
    report = run(source, lambda intake: made(outcomes=outcomes))
    assert report.report.outcomes_kept == 3


@pytest.mark.parametrize("what", ["queries", "outcomes"])
def test_tables_without_a_column(source: Path, what: str) -> None:
    tables = {"queries": QUERIES, "outcomes": OUTCOMES}
    tables[what] = tables[what].drop(columns="query_id")
    with pytest.raises(ArmsError, match=rf"log/{what}\.parquet: column 'query_id' is missing"):
        run(source, lambda intake: made(**tables))
    assert left(source) == []


def test_nothing_usable(source: Path) -> None:
    with pytest.raises(
        ArmsError, match=r"^/.*log: expected at least one usable query, got none\nqueries: 0 kept, 0 set"
    ):
        run(source, lambda intake: made(QUERIES[:0], OUTCOMES[:0]))
    assert left(source) == []


@pytest.mark.parametrize("error", [ArmsError("no such format"), KeyboardInterrupt(), ZeroDivisionError()])
def test_nothing_is_left_of_an_import_that_fails(source: Path, error: BaseException) -> None:
    def fail(intake: Intake) -> Log:
        intake.images.add((source / "0.png").read_bytes())
        raise error

    with pytest.raises(type(error)):
        run(source, fail)
    assert left(source) == []


def test_files_that_cannot_be_read_or_written(source: Path) -> None:
    def fail(intake: Intake) -> Log:
        raise OSError(errno.EIO, "Input/output error", "/some/file")

    with pytest.raises(ArmsError, match=r"^/some/file: expected to read or write here, could not: Input/output error"):
        run(source, fail)

    def fail_bare(intake: Intake) -> Log:
        raise OSError("odd")

    with pytest.raises(ArmsError, match=r"/out: expected to read or write here, could not: odd$"):
        run(source, fail_bare)
    with pytest.raises(ArmsError, match="could not: File name too long"):
        import_log(importer(lambda intake: made()), [source], source.parent / ("n" * 300), ImportOptions(access="free"))
    (source.parent / "file").touch()
    with pytest.raises(ArmsError, match=r"could not: (Not a directory|File exists)"):
        import_log(importer(lambda intake: made()), [source], source.parent / "file/out", ImportOptions(access="free"))
    assert left(source) == ["file"]


def test_an_existing_destination(source: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/old").touch()
    with pytest.raises(ArmsError, match="out: expected nothing there, got an existing path; name another folder, or"):
        run(source)
    assert (tmp_path / "out/old").exists()
    run(source, replace=True)
    assert not (tmp_path / "out/old").exists()
    assert left(source) == ["out"]


def test_a_failed_import_replaces_nothing(source: Path, tmp_path: Path) -> None:
    run(source)
    before = (tmp_path / "out/import_report.json").read_bytes()
    with pytest.raises(ArmsError, match="expected at least one usable query"):
        run(source, lambda intake: made(QUERIES.assign(image="gone.png")), replace=True)
    assert (tmp_path / "out/import_report.json").read_bytes() == before
    assert left(source) == ["out"]


def test_a_file_or_link_in_the_destination_s_place(source: Path, tmp_path: Path) -> None:
    (tmp_path / "out").symlink_to("nowhere")
    with pytest.raises(ArmsError, match="expected nothing there, got an existing path"):
        run(source)
    with pytest.raises(ArmsError, match="expected a folder or nothing there, got a file"):
        run(source, replace=True)
    (tmp_path / "out").unlink()
    (tmp_path / "out").symlink_to("out")
    with pytest.raises(ArmsError, match="expected nothing there, got an existing path"):
        run(source)
    (tmp_path / "out").unlink()
    (tmp_path / "real").mkdir()
    (tmp_path / "real/mine").touch()
    (tmp_path / "out").symlink_to("real")
    run(source, replace=True)
    assert (tmp_path / "real/mine").exists(), "the link is replaced, not what it leads to"
    assert not (tmp_path / "out").is_symlink()


@pytest.mark.parametrize("destination", ["log", ".", "log/..", "link"])
def test_a_destination_that_holds_the_source(source: Path, destination: str) -> None:
    (source.parent / "link").symlink_to("log")
    with pytest.raises(ArmsError, match="expected a folder that does not hold the source"):
        import_log(
            importer(lambda intake: made()),
            [source],
            source.parent / destination,
            ImportOptions(access="free", replace=True),
        )
    assert (source / "0.png").exists()


def test_a_destination_that_holds_a_root(source: Path, tmp_path: Path) -> None:
    (tmp_path / "out/images").mkdir(parents=True)
    with pytest.raises(ArmsError, match=r"does not hold the source .*out/images"):
        run(source, roots=(tmp_path / "out/images",), replace=True)


def test_sources_and_roots_that_are_none(source: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "dangling").symlink_to("nowhere")
    options = ImportOptions(access="free")
    for path, came in (
        (tmp_path / "gone", "no such path"),
        (tmp_path / "pipe", "something else"),
        (tmp_path / "dangling", "something else"),
        (Path("/dev/null"), "something else"),
        (tmp_path / ("n" * 300), "no such path"),
        (tmp_path / "nul\0", "no such path"),
    ):
        with pytest.raises(ArmsError, match=f"expected a file or folder, got {came}$"):
            import_log(importer(lambda intake: made()), [source, path], tmp_path / "out", options)
        with pytest.raises(ArmsError, match=f"expected a folder of images, got {came}$"):
            run(source, roots=(path,))
    with pytest.raises(ArmsError, match=r"expected a folder of images, got something else$"):
        run(source, roots=(source / "0.png",))
    with pytest.raises(ArmsError, match="expected one source or more, files or folders of the log, got none"):
        import_log(importer(lambda intake: made()), [], tmp_path / "out", options)
    with pytest.raises(ArmsError, match="workers: expected 1 or more, got 0"):
        ImportOptions(workers=0)

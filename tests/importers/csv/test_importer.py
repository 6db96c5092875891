import base64
import codecs
import csv
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from arms.data.tables import read_dataset
from arms.errors import ArmsError
from arms.importers.csv import file as csv_file
from arms.importers.csv.importer import CsvImporter
from arms.importers.run import ImportOptions, ImportReport, import_log
from tests.importers.logs.csv import (
    ANSWERS,
    QUESTIONS,
    RIGHT,
    VLMS,
    outcomes,
    queries,
    write_cells,
    write_images,
    write_log,
    write_long,
    write_rows,
    write_wide,
)

FREE = ImportOptions(access="free")
OF_VLM = tuple(f"{vlm}={vlm} ok" for vlm in VLMS)

Imported = tuple[list[dict[str, Any]], list[dict[str, Any]], ImportReport]
Import = Callable[..., Imported]


@pytest.fixture
def load(tmp_path: Path) -> Import:
    """Imports some sources and gives the rows of both tables, and the report."""

    def run(*sources: Path, options: ImportOptions = FREE, **settings: Any) -> Imported:
        report = import_log(CsvImporter(**settings), sources, tmp_path / "out", replace(options, replace=True))
        dataset = read_dataset(tmp_path / "out")
        assert report.report.outcomes_kept == len(dataset.outcomes)
        return rows(dataset.queries), rows(dataset.outcomes), report

    return run


@pytest.fixture
def table(tmp_path: Path) -> Callable[..., Path]:
    """Writes a file of outcomes of one VLM, `a`, on the six images, with some cells changed: column, row, text."""
    write_images(tmp_path)

    def write(*changes: tuple[str, int, Any], name: str = "table.csv", **dialect: Any) -> Path:
        more = {key: "" for key, _, _ in changes if key not in queries()[0]}
        written = [{**row, **more, "vlm": "a", "correct": "1"} for row in queries()]
        for key, number, text in changes:
            written[number][key] = text
        return write_rows(tmp_path / name, written, **dialect)

    return write


def rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return frame.astype(object).where(frame.notna(), None).to_dict("records")


def kinds(report: ImportReport) -> dict[str, int]:
    """What was set aside or noted, and how often; but that no VLM has a profile."""
    return {one.kind: one.count for one in report.report.findings if one.kind != "VLM without a profile"}


def example(report: ImportReport, kind: str) -> dict[str, Any]:
    """The first example of a finding."""
    (found,) = (one for one in report.report.findings if one.kind == kind)
    return found.rows[0]


def right(found: list[dict[str, Any]]) -> dict[str, str]:
    """By VLM, its verdicts as `RIGHT` has them."""
    by_query = sorted(found, key=lambda row: row["query_id"])
    return {vlm: "".join("01"[row["correct"]] for row in by_query if row["vlm"] == vlm) for vlm in VLMS}


def column(found: list[dict[str, Any]], name: str) -> list[Any]:
    return [row[name] for row in found]


# The shapes that logs come in


def test_queries_and_outcomes_in_two_files(load: Import, tmp_path: Path) -> None:
    found, judged, report = load(*write_log(tmp_path))
    assert column(found, "query_id") == [f"q{number}" for number in range(6)]
    assert column(found, "question") == [*QUESTIONS]
    assert column(found, "answer") == [*ANSWERS[:-1], None]
    assert column(found, "benchmark") == ["shapes"] * 3 + ["colours"] * 3
    assert column(found, "task") == ["task 0", "task 1"] * 3
    assert column(found, "language") == ["en"] * 4 + ["fr", "en"]
    assert right(judged) == RIGHT
    first = [row for row in judged if row["vlm"] == "gpt-4o"]
    assert column(first, "output") == [f"=answer {number}" for number in range(6)]
    assert column(first, "cost_usd") == [0.0, 0.001, 0.002, 0.003, 0.004, 0.005]
    assert column(first, "latency_s") == [0.5, 1.5, 2.5, 3.5, 4.5, 5.5]
    assert column([row for row in judged if row["vlm"] == "phi-4"], "output") == [None] * 6
    assert tuple(report.report.outcomes_per_vlm) == VLMS
    assert report.verdicts == ("correct >= 1",)
    assert (report.images_found, report.images_lost, report.rows_set_aside) == (6, 0, 0)
    assert kinds(report) == {}


def test_the_images_are_those_of_the_queries(load: Import, tmp_path: Path) -> None:
    found, _, _ = load(*write_log(tmp_path))
    for number, row in enumerate(found):
        assert (tmp_path / "out" / row["image"]).read_bytes() == (tmp_path / f"images/{number}.png").read_bytes()


def test_every_shape_gives_the_same_tables(load: Import, tmp_path: Path) -> None:
    two_files = load(*write_log(tmp_path))
    long = load(write_long(tmp_path))
    assert long[:2] == two_files[:2]
    assert kinds(long[2]) == {}
    found, judged, report = load(write_wide(tmp_path), verdict=OF_VLM)
    assert found == two_files[0]
    assert right(judged) == RIGHT
    assert tuple(report.report.outcomes_per_vlm) == VLMS
    assert report.verdicts == ("gpt-4o ok >= 1", "phi-4 ok >= 1", "llava-7b ok >= 1")
    assert kinds(report) == {}


def test_the_order_of_files_does_not_matter(load: Import, tmp_path: Path) -> None:
    sources = write_log(tmp_path)
    assert load(*sources[::-1])[:2] == load(*sources)[:2]


def test_columns_of_outputs_costs_and_latencies(load: Import, tmp_path: Path) -> None:
    write_images(tmp_path)
    path = write_cells(
        tmp_path / "w.csv",
        [
            ["question", "image", "a", "a says", "a pays", "a takes", "b", "b says"],
            ["Q?", "images/0.png", "1", "yes", "0.5", "2", "", ""],
            ["R?", "images/1.png", "n/a", "", "", "", "0", "no"],
            ["S?", "images/2.png", "", "who knows", "", "", "1", ""],
        ],
    )
    settings = {"verdict": ("a=a", "b=b"), "output": ("a=a says", "b=b says"), "cost": ("a=a pays",)}
    _, judged, report = load(path, **settings, latency=("a=a takes",))
    assert [tuple(row.values())[1:] for row in judged] == [
        ("a", True, "yes", 0.5, 2.0),
        ("b", False, "no", None, None),
        ("b", True, None, None, None),
    ]
    assert kinds(report) == {"correct is neither true nor false": 1}, "an output without a verdict is told"


def test_wide_outcomes_beside_a_file_of_queries(load: Import, tmp_path: Path) -> None:
    sources = write_log(tmp_path)
    cells = [[f"q{number}", *(RIGHT[vlm].ljust(6)[number] for vlm in VLMS)] for number in range(6)]
    path = write_cells(tmp_path / "w.csv", [["query_id", *(f"{vlm} ok" for vlm in VLMS)], *cells])
    found, judged, _ = load(sources[0], path, verdict=OF_VLM)
    assert found == load(*sources)[0]
    assert right(judged) == RIGHT


def test_a_file_for_each_vlm(load: Import, tmp_path: Path) -> None:
    write_images(tmp_path)
    sources = []
    for vlm in VLMS:
        written = [{**row, "ok": mark} for row, mark in zip(queries(), RIGHT[vlm], strict=False)]
        sources.append(write_rows(tmp_path / f"{vlm}.csv", [{**row, "vlm": vlm} for row in written]))
    found, judged, report = load(*sources, correct_column="ok")
    assert found == load(*write_log(tmp_path))[0]
    assert right(judged) == RIGHT
    assert kinds(report) == {}


# Columns and their settings


def test_columns_by_other_names(load: Import, tmp_path: Path) -> None:
    write_images(tmp_path)
    names = {
        "query_id": "#",
        "benchmark": "set",
        "task": "kind",
        "language": "lang",
        "question": "prompt",
        "image": "file",
        "answer": "gold",
        "vlm": "model",
        "correct": "score",
        "output": "says",
        "cost_usd": "$",
        "latency_s": "s",
    }
    sources = [
        write_rows(tmp_path / f"{number}.csv", [{f" {names[key]} ": cell for key, cell in row.items()} for row in part])
        for number, part in enumerate((queries(), outcomes()))
    ]
    settings = {"correct_column": names.pop("correct"), "cost_column": names.pop("cost_usd")}
    settings |= {"id_column": names.pop("query_id"), "latency_column": names.pop("latency_s")}
    settings |= {f"{name}_column": column for name, column in names.items()}
    assert load(*sources, **settings)[:2] == load(*write_log(tmp_path))[:2]


def test_what_stands_in_for_missing_columns(load: Import, tmp_path: Path) -> None:
    write_images(tmp_path)
    head, cells = ["question", "image", "vlm", "correct"], ["Q?", "images/0.png", "a", "1"]
    path = write_cells(tmp_path / "mine.csv", [head, cells])
    (row,), _, _ = load(path)
    assert (row["benchmark"], row["task"], row["language"], row["answer"]) == ("mine", "mine", "en", None)
    (row,), _, _ = load(path, benchmark="b", language="de")
    assert (row["benchmark"], row["task"], row["language"]) == ("b", "b", "de")
    (row,), _, _ = load(path, task="t")
    assert (row["benchmark"], row["task"]) == ("mine", "t")
    (row,), _, _ = load(write_cells(path, [[*head, "benchmark"], [*cells, "c"]]), benchmark="b")
    assert (row["benchmark"], row["task"]) == ("c", "c"), "a column goes first"


def test_without_ids_a_query_is_its_image_and_question(load: Import, tmp_path: Path) -> None:
    write_images(tmp_path)
    head = ["question", "image", "vlm", "correct"]
    one = [["Q?", "images/0.png", "a", "1"], ["R?", "images/0.png", "a", "0"], ["Q?", "images/1.png", "a", "0"]]
    other = [["Q?", "images/1.png", "b", "1"], ["Q?", "images/0.png", "b", "0"]]
    sources = [write_cells(tmp_path / f"{i}.csv", [head, *part]) for i, part in enumerate((one, other))]
    found, judged, report = load(*sources)
    assert [(row["question"], row["benchmark"]) for row in found] == [("Q?", "0"), ("R?", "0"), ("Q?", "0")]
    ids = column(found, "query_id")
    assert len(set(ids)) == 3
    assert ids[0] == hashlib.sha256(b'["images/0.png", "Q?"]').hexdigest()[:16]
    assert [(ids.index(row["query_id"]), row["vlm"], row["correct"]) for row in judged] == [
        (0, "a", True),
        (1, "a", False),
        (2, "a", False),
        (2, "b", True),
        (0, "b", False),
    ]
    assert kinds(report) == {}
    assert sorted(column(load(*sources[::-1])[0], "query_id")) == sorted(ids), "whatever comes first"


def test_without_ids_the_column_of_benchmarks_tells_queries_apart(load: Import, tmp_path: Path) -> None:
    write_images(tmp_path)
    head = ["question", "image", "benchmark", "vlm", "correct"]
    cells = [["Q?", "images/0.png", name, "a", "1"] for name in ("x", "y", "x")]
    found, judged, _ = load(write_cells(tmp_path / "t.csv", [head, *cells]))
    assert column(found, "benchmark") == ["x", "y"]
    assert len(judged) == 2


@pytest.mark.parametrize(
    ("head", "settings", "message"),
    [
        ("question,vlm,correct", {}, r"t\.csv: expected a column 'image', got 'question', 'vlm', 'correct' \(split by"),
        (
            "prompt,image,vlm,correct",
            {},
            r"column 'question', got 'prompt', 'image', .*which one it is: --question-col",
        ),
        ("question,image,vlm", {}, r"expected a column 'correct', .* say which one it is: --correct-column"),
        ("question,image,gpt", {}, r"a column 'vlm', .* --vlm-column; or, where each VLM .*: --verdict VLM=COLUMN"),
        ("question,image,vlm,correct", {"answer_column": "gold"}, "a column 'gold', .* which one it is: --answer-col"),
        ("question,image,x", {"verdict": ("a=x", "b=y")}, r"^--verdict b=y: expected a column 'y', got none; .*t\.csv"),
        ("question,image,x", {"verdict": ("a=x",), "cost": ("a=$",)}, r"^--cost a=\$: expected a column '\$', got no"),
        ("question,image,x", {"verdict": ("a",)}, "^--verdict: expected VLM=COLUMN, got 'a'"),
        ("question,image,x", {"verdict": ("=x",)}, "^--verdict: expected VLM=COLUMN, got '=x'"),
        ("question,image,x", {"verdict": ("a=",)}, "^--verdict: expected VLM=COLUMN, got 'a='"),
        ("question,image,x", {"verdict": ("a=x", "a=y")}, "^--verdict: expected one column for a, got 'x' and 'y'"),
        ("question,image,x", {"output": ("a=x",)}, r"^--output a=x: expected a VLM .* verdicts; add --verdict a=COL"),
        (
            "question,image,vlm,correct,x",
            {"verdict": ("a=x",)},
            "a column of verdicts for each VLM, got both, 'vlm' an",
        ),
        ("question,image,image,vlm,correct", {}, "expected one column 'image', got 2; rename all but one"),
    ],
)
def test_columns_that_are_not_there(
    load: Import, tmp_path: Path, head: str, settings: dict[str, Any], message: str
) -> None:
    (tmp_path / "t.csv").write_text(f"{head}\n")
    with pytest.raises(ArmsError, match=message):
        load(tmp_path / "t.csv", **settings)
    assert not (tmp_path / "out").exists()


def test_a_column_that_stands_twice_and_is_not_asked_for(load: Import, table: Callable[..., Path]) -> None:
    path = table(("question", 1, "One line?"), lineterminator="\n")
    head, *lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([f"note,note,{head}", *(f"x,y,{line}" for line in lines)]), encoding="utf-8")
    assert len(load(path)[0]) == 6


def test_files_that_do_not_go_together(load: Import, tmp_path: Path) -> None:
    sources = write_log(tmp_path)
    other = write_cells(tmp_path / "other.csv", [["a", "b"], ["1", "2"]])
    with pytest.raises(ArmsError, match=r"other\.csv: expected columns of queries .* or of outcomes .*, got 'a', 'b'"):
        load(*sources, other)
    other = write_cells(tmp_path / "other.csv", [["vlm", "correct"], ["a", "1"]])
    with pytest.raises(ArmsError, match=r"other\.csv: expected a column 'query_id', got 'vlm', 'correct'.*--id-column"):
        load(*sources, other)
    with pytest.raises(ArmsError, match=r"outcomes\.csv: expected a column 'question', got"):
        load(sources[1])


def test_many_columns_are_not_all_told(load: Import, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(",".join(f"c{number}" for number in range(5000)))
    with pytest.raises(ArmsError, match="'c39' and 4960 more"):
        load(tmp_path / "t.csv")


# Verdicts and amounts


@pytest.mark.parametrize(
    ("cells", "settings", "expected"),
    [
        (["True", "false", "1", "0", "yes", "WRONG"], {}, "101010"),
        (["1.0", "0.0", " correct ", "incorrect", "Y", "n"], {}, "101010"),
        (["0.4", "0.5", "0.6", "0", "1", "0.49"], {}, "011010"),
        (["3", "4", "5", "1", "2", "4.5"], {"threshold": 4}, "011001"),
        (["3", "4", "5", "1", "2", "4.5"], {"threshold": 3, "lower_is_better": True}, "100110"),
    ],
)
def test_what_is_correct(
    load: Import, table: Callable[..., Path], cells: list[str], settings: dict[str, Any], expected: str
) -> None:
    path = table(*(("correct", number, cell) for number, cell in enumerate(cells)))
    _, judged, _ = load(path, **settings)
    assert "".join("01"[row["correct"]] for row in judged) == expected


def test_grades_that_need_a_rule(load: Import, table: Callable[..., Path]) -> None:
    with pytest.raises(ArmsError, match=r"metric correct: expected 0 and 1, .* got grades from 1 to 7; .*--threshold"):
        load(table(("correct", 0, "7")))
    path = table()
    path.write_text(path.read_text(encoding="utf-8").replace(",correct", ",cer", 1), encoding="utf-8")
    with pytest.raises(ArmsError, match=r"metric cer: expected one of which more is better, .* say --lower-is-better"):
        load(path, correct_column="cer")


def test_grades_that_are_none(load: Import, table: Callable[..., Path]) -> None:
    _, judged, report = load(table(("correct", 1, "85%"), ("correct", 2, "maybe"), ("correct", 3, "")))
    assert len(judged) == 3
    assert kinds(report) == {
        "grade that is none": 2,
        "correct is neither true nor false": 3,
        "query without outcome": 3,
    }
    assert example(report, "grade that is none")["where"].endswith("table.csv, row 3")
    assert example(report, "grade that is none")["detail"] == "'85%'"


def test_amounts(load: Import, table: Callable[..., Path]) -> None:
    cells = ["1e-3", " 0.5 ", "1,234.5", "-1", "1_0", "n/a"]
    path = table(*(("cost_usd", number, cell) for number, cell in enumerate(cells)))
    _, judged, report = load(path)
    assert column(judged, "cost_usd") == [0.001, 0.5, None, None, None, None]
    assert kinds(report) == {"cost that is no amount": 3}
    assert example(report, "cost that is no amount")["detail"] == "'1,234.5'"
    assert example(report, "cost that is no amount")["where"].endswith("table.csv, row 4")


# Rows


def test_rows_that_disagree_on_their_query(load: Import, table: Callable[..., Path], tmp_path: Path) -> None:
    table()
    base = {**queries()[0], "vlm": "a", "correct": "1"}
    changes: list[dict[str, str]] = [
        {"answer": ""},
        {"vlm": "b", "image": "images/1.png"},
        {"vlm": "c", "answer": "moon", "image": ""},
        {"vlm": "d", "answer": "star", "image": "", "question": "Other?"},
        {"vlm": "e", "answer": "star", "benchmark": "other"},
        {"vlm": "f", "answer": "moon", "image": "images/2.png"},
        {"vlm": "g", "answer": "star", "task": "another", "language": "de"},
    ]
    path = write_rows(tmp_path / "t.csv", [{**base, **change} for change in changes])
    (row,), judged, report = load(path)
    assert (row["answer"], row["question"], row["task"]) == ("moon", QUESTIONS[0], "task 0")
    assert column(judged, "vlm") == ["a", "c"]
    assert kinds(report) == {
        "benchmark differs from that of the query's first row": 1,
        "image differs from that of the query's first row": 2,
        "answer differs from that of the query's first row": 2,
    }
    assert report.rows_set_aside == 5
    assert example(report, "image differs from that of the query's first row") == {
        "where": f"{path}, row 3",
        "detail": "'images/1.png', 'images/0.png' in the first",
    }
    again = [{**base, **change} for change in changes if change.get("vlm") not in ("c", "f")]
    (row,), judged, report = load(write_rows(path, again))
    assert (row["answer"], row["question"]) == ("star", QUESTIONS[0])
    assert column(judged, "vlm") == ["a", "d", "g"]
    assert kinds(report) == {
        "benchmark differs from that of the query's first row": 1,
        "image differs from that of the query's first row": 1,
        "question differs from that of the query's first row": 1,
        "task differs from that of the query's first row": 1,
        "language differs from that of the query's first row": 1,
    }
    assert report.rows_set_aside == 2


def test_repeated_rows(load: Import, tmp_path: Path) -> None:
    write_images(tmp_path)
    sources = write_rows(tmp_path / "q.csv", [*queries(), queries()[2]]), write_rows(tmp_path / "o.csv", outcomes())
    found, _, report = load(*sources)
    assert len(found) == 6
    assert kinds(report) == {"repeated row": 1}
    assert example(report, "repeated row")["where"].endswith("q.csv, row 8")
    write_rows(tmp_path / "q.csv", queries())
    write_rows(tmp_path / "o.csv", [*outcomes(), outcomes()[0], {**outcomes()[1], "correct": "False"}])
    _, judged, report = load(*sources)
    assert len(judged) == 16
    assert kinds(report) == {
        "repeated row for one query_id and vlm": 1,
        "conflicting rows for one query_id and vlm": 2,
    }


def test_rows_without_what_they_need(load: Import, table: Callable[..., Path]) -> None:
    path = table(("query_id", 0, " "), ("vlm", 1, ""), ("vlm", 2, "bad\tname"), ("question", 3, ""), ("image", 4, "\t"))
    found, _, report = load(path)
    assert column(found, "query_id") == ["q5"]
    assert kinds(report) == {
        "row without a query id": 1,
        "outcome without a VLM's name": 2,
        "no question": 1,
        "no image": 1,
        "query without outcome": 2,
        "query set aside": 2,
    }
    assert example(report, "row without a query id")["where"].endswith("table.csv, row 2")


def test_a_row_that_only_describes_its_query(load: Import, table: Callable[..., Path], tmp_path: Path) -> None:
    _, _, report = load(table(("vlm", 1, ""), ("correct", 1, "")))
    assert kinds(report) == {"query without outcome": 1}


def test_outcomes_and_queries_without_each_other(load: Import, tmp_path: Path) -> None:
    sources = write_log(tmp_path)
    write_rows(sources[0], queries()[1:])
    write_rows(sources[1], [row for row in outcomes() if row["query_id"] != "q5"])
    found, _, report = load(*sources)
    assert column(found, "query_id") == ["q1", "q2", "q3", "q4"]
    assert kinds(report) == {"query without outcome": 1, "outcome without query": 3}


def test_rows_of_another_length(load: Import, table: Callable[..., Path]) -> None:
    path = table(("question", 1, "One line?"), lineterminator="\n")
    lines = path.read_text(encoding="utf-8").splitlines()
    lines = [lines[0], "a,b", *lines[1:3], "", "x" * 500 + "," * 10, *lines[3:], "end"]
    path.write_text("\n".join(lines), encoding="utf-8")
    found, _, report = load(path)
    assert len(found) == 6
    kind = "row with another number of cells than the header"
    assert kinds(report) == {kind: 3}
    assert report.rows_set_aside == 3
    places = pd.read_parquet(path.parent / "out/set_aside/source.parquet")
    assert places["where"].tolist() == [f"{path}, row {number}" for number in (2, 5, 10)]
    assert example(report, kind)["detail"] == "2 cells, the header has 9: 'a,b'"
    assert max(places["detail"].str.len()) < 150


def test_rows_are_numbered_as_a_spreadsheet_does(load: Import, table: Callable[..., Path]) -> None:
    path = table(("cost_usd", 4, "much"), lineterminator="\n")
    head, _, lines = path.read_text(encoding="utf-8").partition("\n")
    path.write_text(f"\n{head}\n\nbad\n{lines}", encoding="utf-8")
    _, _, report = load(path)
    assert example(report, "cost that is no amount")["where"] == f"{path}, row 7"


def test_numbering_goes_on_from_block_to_block(
    load: Import, table: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = table(("cost_usd", 5, "much"))
    with path.open("a") as stream:
        stream.write("bad\n")
    monkeypatch.setattr(csv_file, "_BLOCK", 100)
    found, _, report = load(path)
    assert column(found, "question") == [*QUESTIONS]
    assert example(report, "cost that is no amount")["where"] == f"{path}, row 7"
    assert example(report, "row with another number of cells than the header")["where"] == f"{path}, row 8"


# How files are written


@pytest.mark.parametrize(
    ("name", "dialect", "settings"),
    [
        ("t.csv", {"delimiter": ";"}, {}),
        ("t.csv", {"delimiter": "\t"}, {}),
        ("t.csv", {"delimiter": "|"}, {}),
        ("t.TSV", {"delimiter": "\t"}, {}),
        ("t.tab", {"delimiter": "\t"}, {}),
        ("t.txt", {"delimiter": "^"}, {"delimiter": "^"}),
        ("t.tsv", {"delimiter": ","}, {"delimiter": ","}),
        ("t.csv", {"delimiter": "\t"}, {"delimiter": "tab"}),
        ("t.csv", {"quotechar": "'"}, {"quote": "'"}),
        ("t.csv", {"lineterminator": "\n"}, {}),
        ("t.csv", {"lineterminator": "\r", "quoting": csv.QUOTE_ALL}, {}),
        ("t.csv", {"encoding": "utf-8-sig"}, {}),
        ("t.csv", {"encoding": "utf-16"}, {"encoding": "utf-16"}),
        ("t.csv", {"encoding": "cp1252"}, {"encoding": "cp1252"}),
    ],
)
def test_dialects(
    load: Import, table: Callable[..., Path], name: str, dialect: dict[str, Any], settings: dict[str, Any]
) -> None:
    found, judged, report = load(table(name=name, **dialect), **settings)
    assert column(found, "question") == [*QUESTIONS]
    assert column(judged, "correct") == [True] * 6
    assert kinds(report) == {}


def test_files_without_quotes(load: Import, tmp_path: Path) -> None:
    write_images(tmp_path)
    path = tmp_path / "t.tsv"
    path.write_text(
        'question\timage\tvlm\tcorrect\n"Stop" it says, where?\timages/0.png\ta\t1\n"\timages/1.png\ta\t0\n'
    )
    found, _, _ = load(path, quote="none")
    assert column(found, "question") == ['"Stop" it says, where?', '"']
    with pytest.raises(ArmsError, match=r"t\.tsv, row 3: expected every quote to be closed, .*: --quote none"):
        load(path)


@pytest.mark.parametrize(
    ("end", "row"),
    [('q9,b,t,en,Q,images/0.png,1,a,"1', 8), ('"q9', 8), ('q9,b,t,en,"Q,images/0.png,1,a,1\n' * 3, 9)],
)
def test_a_quote_that_is_left_open(load: Import, table: Callable[..., Path], end: str, row: int) -> None:
    path = table()
    with path.open("a") as stream:
        stream.write(end)
    with pytest.raises(
        ArmsError, match=rf"table\.csv, row {row}: expected every quote to be closed, got one that is op"
    ):
        load(path)


@pytest.mark.parametrize(
    ("content", "settings", "message"),
    [
        (b"", {}, r"t\.csv: expected a header and rows, got an empty file"),
        (b"\xef\xbb\xbf\n\n", {}, "expected a header and rows, got an empty file"),
        (
            b"question\n1\n",
            {},
            r"expected a header of several columns, split by ',' or '\\t' or ';' or '\|', got 'quest",
        ),
        (b"question,image\n", {"delimiter": "tab"}, r"split by '\\t', got 'question,image'; .*: --delimiter"),
        (b'question,image,"vlm\n1,2,3\n', {}, "expected every quote of the header to be closed"),
        (b"question,image," + b"x" * 200_000, {}, "expected a header of short names, .*field limit"),
        (b"question,image\n1,2\n3,\xff4\n", {}, r"t\.csv, line 3: expected text in utf-8, got the byte 0xff: .*cp1252"),
        (b"question,im\xe9ge\n", {}, r"t\.csv, line 1: expected text in utf-8, got the byte 0xe9"),
        (b"question,image\n\xe9", {}, r"line 2: expected text in utf-8, got the byte 0xe9: unexpected end of data"),
        (b"question,image\n\xe9", {"encoding": "ascii"}, "line 2: expected text in ascii, got the byte 0xe9"),
        (codecs.BOM_UTF16_LE + "question".encode("utf-16-le"), {}, "it looks like UTF-16: --encoding utf-16"),
        (b"PK\x03\x04\xff\xff", {}, "it looks like a spreadsheet or an archive: export it as CSV"),
        (b"\x1f\x8b\x08\x00", {}, "it looks compressed: unpack it"),
        (b"a,b\n", {"delimiter": "ab"}, "^--delimiter: expected one ASCII character, got 'ab'"),
        (b"a,b\n", {"delimiter": "\n"}, "^--delimiter: expected one ASCII character"),
        (b"a,b\n", {"quote": "\u201d"}, "^--quote: expected one ASCII character"),
        (b"a,b\n", {"delimiter": '"'}, "^--delimiter and --quote: expected two characters"),
        (b"a,b\n", {"encoding": "latin-99"}, "^--encoding: expected the name of a text encoding, .* got 'latin-99'"),
        (b"a,b\n", {"encoding": "hex"}, "^--encoding: expected the name of a text encoding"),
        (b"a,b\n", {"encoding": "utf\0"}, "^--encoding: expected the name of a text encoding"),
    ],
)
def test_files_that_cannot_be_read(
    load: Import, tmp_path: Path, content: bytes, settings: dict[str, Any], message: str
) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(ArmsError, match=message):
        load(tmp_path / "t.csv", **settings)
    assert not (tmp_path / "out").exists()


def test_a_bad_byte_far_into_a_file(load: Import, table: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    path = table()
    with path.open("ab") as stream:
        stream.write(b'q9,b,t,en,"a\nb",images/0.png,1,a,\xfc\n')
    monkeypatch.setattr(csv_file, "_BLOCK", 200)
    with pytest.raises(ArmsError, match=r"table\.csv, line 10: expected text in utf-8, got the byte 0xfc"):
        load(path)


def test_a_folder_is_no_file(load: Import, tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    with pytest.raises(ArmsError, match="log: expected a CSV file, could not read it: Is a directory"):
        load(tmp_path / "log")


def test_a_header_alone(load: Import, tmp_path: Path) -> None:
    for content in ("question,image,vlm,correct", "question,image,vlm,correct\n\n"):
        (tmp_path / "t.csv").write_text(content)
        with pytest.raises(ArmsError, match="expected at least one usable query, got none"):
            load(tmp_path / "t.csv")


def test_huge_cells(load: Import, table: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    path = table(("output", 2, "x" * 1_000_000))
    _, judged, _ = load(path)
    assert [len(row["output"] or "") for row in judged] == [0, 0, 1_000_000, 0, 0, 0]
    monkeypatch.setattr(csv_file, "_BLOCK", 100_000)
    with pytest.raises(ArmsError, match=r"table\.csv: expected rows of at most 100,000 bytes, got a longer one"):
        load(path)


def test_cells_are_plain_texts(load: Import, table: Callable[..., Path]) -> None:
    cells = ["=HYPERLINK(1)", "007", "1.0", "2024-01-01", "null", "a\0b"]
    path = table(*(("question", number, cell) for number, cell in enumerate(cells)))
    assert column(load(path)[0], "question") == cells
    path = table(*(("query_id", number, cell) for number, cell in enumerate(["NA", "nan", "1", "01", "1.0", "True"])))
    assert column(load(path)[0], "query_id") == ["NA", "nan", "1", "01", "1.0", "True"]


# Images


def test_images_that_are_not_there(load: Import, table: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "images/1.png").write_text("no image")
    (tmp_path.parent / "secret.png").write_bytes((tmp_path / "images/0.png").read_bytes())
    path = table(("image", 0, "images/9.png"), ("image", 2, "../secret.png"), ("image", 3, "/etc/passwd"))
    found, _, report = load(path)
    assert column(found, "query_id") == ["q4", "q5"]
    assert kinds(report) == {
        "missing image file": 1,
        "unreadable image": 1,
        "image path with '..'": 1,
        "image outside the roots": 1,
        "query set aside": 4,
    }
    assert (report.images_found, report.images_lost) == (2, 4)


def test_data_uris(load: Import, table: Callable[..., Path], tmp_path: Path) -> None:
    uri = f"data:image/png;base64,{base64.b64encode((tmp_path / 'images/0.png').read_bytes()).decode()}"
    found, _, report = load(table(("image", 0, uri), ("image", 1, uri), ("image", 2, uri[:-5])))
    assert column(found, "query_id") == ["q0", "q1", "q3", "q4", "q5"]
    assert found[0]["image"] == found[1]["image"]
    assert (tmp_path / "out" / found[0]["image"]).read_bytes() == (tmp_path / "images/0.png").read_bytes()
    assert kinds(report) == {"unreadable image": 1, "query set aside": 1}


# The rest


def test_progress_and_report(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    importer = CsvImporter(task="t")
    import_log(importer, write_log(tmp_path), tmp_path / "out", FREE, on_read=lambda *done: seen.append(done))
    assert seen == [(1, 2), (2, 2)]
    report = json.loads((tmp_path / "out/import_report.json").read_text())
    assert report["settings"]["task"] == "t"
    assert report["vlms"]["llava-7b"] == {"outcomes": 5, "share_missing": pytest.approx(1 / 6)}

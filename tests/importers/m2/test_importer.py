import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from arms.data.tables import read_dataset
from arms.errors import ArmsError
from arms.importers.m2 import lines as m2_lines
from arms.importers.m2 import parquet as m2_parquet
from arms.importers.m2.fields import FIELDS, flag
from arms.importers.m2.importer import M2Importer
from arms.importers.run import ImportOptions, ImportReport, import_log
from tests.importers.logs.m2 import EMBEDDED, FILES, VLMS, png, write_lines, write_log, write_parquet

FREE = ImportOptions(access="free")

Imported = tuple[list[dict[str, Any]], list[dict[str, Any]], ImportReport]
Import = Callable[..., Imported]
Write = Callable[..., Path]


@pytest.fixture
def load(tmp_path: Path) -> Import:
    """Imports some sources and gives the rows of both tables, and the report."""

    def run(*sources: Path, options: ImportOptions = FREE, **settings: Any) -> Imported:
        report = import_log(M2Importer(**settings), sources, tmp_path / "out", replace(options, replace=True))
        dataset = read_dataset(tmp_path / "out")
        queries = dataset.queries.astype(object).where(dataset.queries.notna(), None)
        outcomes = dataset.outcomes.astype(object).where(dataset.outcomes.notna(), None)
        return queries.to_dict("records"), outcomes.to_dict("records"), report

    return run


@pytest.fixture(params=["lines", "parquet"])
def write(request: pytest.FixtureRequest, tmp_path: Path) -> Write:
    """Writes rows in one of the two forms, beside the image a.png."""

    def run(*rows: dict[str, Any], name: str = "records", **types: pa.DataType) -> Path:
        (tmp_path / "m2").mkdir(exist_ok=True)
        (tmp_path / "m2/a.png").write_bytes(png((1, 2, 3)))
        if request.param == "lines":
            return write_lines(tmp_path / f"m2/{name}.jsonl", rows)
        return write_parquet(tmp_path / f"m2/{name}.parquet", rows, **types)

    return run


@pytest.fixture
def write_json(tmp_path: Path) -> Write:
    """Writes rows of any types, which JSON Lines can hold, beside the image a.png."""

    def run(*rows: Any, name: str = "records") -> Path:
        (tmp_path / "m2").mkdir(exist_ok=True)
        (tmp_path / "m2/a.png").write_bytes(png((1, 2, 3)))
        path = tmp_path / f"m2/{name}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    return run


def record(question: Any = "How many?", **changes: Any) -> dict[str, Any]:
    """What a record needs."""
    return {"image": "a.png", "question": question, "vlm": "v1", "label": True, **changes}


def kinds(report: ImportReport) -> dict[str, int]:
    """What of the log was set aside or noted, and how often; but that no VLM has a profile."""
    findings = report.report.findings
    return {found.kind: found.count for found in findings if found.kind != "VLM without a profile"}


def detail(report: ImportReport, kind: str) -> str:
    """The first example of a finding."""
    (found,) = (found for found in report.report.findings if found.kind == kind)
    return found.rows[0]["detail"]


def where(report: ImportReport, kind: str) -> list[str]:
    """The places of a finding's examples, without the folder."""
    (found,) = (found for found in report.report.findings if found.kind == kind)
    return [row["where"].rpartition("/")[2] for row in found.rows]


def right(imported: Imported) -> dict[tuple[str, str], bool]:
    """The verdicts by question and VLM."""
    queries, outcomes, _ = imported
    questions = {query["query_id"]: query["question"] for query in queries}
    return {(questions[row["query_id"]], row["vlm"]): row["correct"] for row in outcomes}


def test_log(load: Import, tmp_path: Path) -> None:
    queries, outcomes, report = load(*write_log(tmp_path))
    assert kinds(report) == {}
    assert report.rows_set_aside == 0
    assert (report.images_found, report.images_lost) == (4, 0)
    assert report.verdicts == ("label >= 1",)
    keys = ("benchmark", "question", "answer", "task", "language")
    assert [tuple(query[key] for key in keys) for query in queries] == [
        (benchmark, *query[:4]) for benchmark, _, *query in (*FILES, *EMBEDDED)
    ]
    bars, sign = png((0, 60, 90)), png((1, 60, 90))
    contents = [(tmp_path / "out" / query["image"]).read_bytes() for query in queries]
    assert contents == [bars, bars, sign, sign, png((200, 0, 0)), png((0, 0, 200))]
    assert all(query["query_id"].startswith(query["benchmark"] + "/") for query in queries)
    assert len({query["query_id"] for query in queries}) == 6
    expected = [
        {
            "query_id": query["query_id"],
            "vlm": vlm,
            "correct": label,
            "output": query["answer"] if label else f"not {query['answer']}",
            "cost_usd": 0.00125 if vlm == "gpt-4o" else None,
            "latency_s": 1.5 if vlm == "gpt-4o" else None,
        }
        for query, (*_, labels) in zip(queries, (*FILES, *EMBEDDED), strict=True)
        for vlm, label in zip(VLMS, labels, strict=True)
        if label is not None
    ]
    assert outcomes == expected
    assert tuple(report.report.outcomes_per_vlm) == VLMS


def test_ids_depend_on_content_alone(load: Import, tmp_path: Path) -> None:
    (source,) = write_log(tmp_path)
    files = [source / "data/files.jsonl", source / "data/test-00000-of-00001.parquet"]
    options = replace(FREE, roots=(source,))
    one, _, _ = load(*files, options=options)
    other, _, _ = load(*reversed(files), files[0], source, options=options)
    assert sorted(map(str, one)) == sorted(map(str, other))


@pytest.mark.parametrize("pick", [0, 1, -1])
def test_spellings(load: Import, write: Write, pick: int) -> None:
    values = {
        **{"query_id": "7", "benchmark": "ocr", "task": "reading", "language": "de", "question": "Was?"},
        **{"image": "a.png", "answer": "Halt", "vlm": "v1", "grade": False, "output": "Hals"},
        **{"cost_usd": 0.25, "latency_s": 2.5},
    }
    path = write({FIELDS[held][min(pick, len(FIELDS[held]) - 1)]: value for held, value in values.items()})
    (query,), outcomes, report = load(path)
    query.pop("image")
    assert query == {
        **{"query_id": "ocr/7", "benchmark": "ocr", "task": "reading", "language": "de"},
        **{"question": "Was?", "answer": "Halt"},
    }
    assert outcomes == [
        {
            **{"query_id": "ocr/7", "vlm": "v1", "correct": False, "output": "Hals"},
            **{"cost_usd": 0.25, "latency_s": 2.5},
        }
    ]
    assert kinds(report) == {}


def test_fields_by_name(load: Import, write: Write) -> None:
    names = {held: f"my {held}" for held in FIELDS}
    values = {
        **{"query_id": 7, "benchmark": "ocr", "task": "reading", "language": "de", "question": "Was?"},
        **{"image": "a.png", "answer": "4", "vlm": "v1", "grade": 1, "output": "4", "cost_usd": 1, "latency_s": 2},
    }
    others = {name: "decoy" for spellings in FIELDS.values() for name in spellings}
    path = write({**others, **{names[held]: value for held, value in values.items()}})
    settings = {flag(held).removeprefix("--").replace("-", "_"): name for held, name in names.items()}
    (query,), (outcome,), _ = load(path, **settings)
    query.pop("image")
    assert query == {
        **{"query_id": "ocr/7", "benchmark": "ocr", "task": "reading", "language": "de"},
        **{"question": "Was?", "answer": "4"},
    }
    assert outcome == {
        **{"query_id": "ocr/7", "vlm": "v1", "correct": True, "output": "4", "cost_usd": 1.0, "latency_s": 2.0}
    }


@pytest.mark.parametrize("held", list(FIELDS))
def test_a_named_field_must_be_there(load: Import, write: Write, held: str) -> None:
    setting = flag(held).removeprefix("--").replace("-", "_")
    with pytest.raises(
        ArmsError, match=rf"expected a field 'mine', got 'image', .*; say which one it is: {flag(held)}"
    ):
        load(write(record()), **{setting: "mine"})


@pytest.mark.parametrize("held", ["image", "question", "vlm", "grade"])
def test_needed_fields(load: Import, write: Write, held: str) -> None:
    row = record()
    del row[{"grade": "label"}.get(held, held)]
    spellings = " or ".join(map(repr, FIELDS[held]))
    with pytest.raises(ArmsError, match=rf"expected a field {spellings}, got .*; say which one it is: {flag(held)}"):
        load(write(row))


def test_two_spellings_that_agree(load: Import, write: Write) -> None:
    rows = (record("one", text="one", model=None), record(None, text="two", model="v1"))
    imported = load(write(*rows, model=pa.string()))
    assert right(imported) == {("one", "v1"): True, ("two", "v1"): True}
    assert kinds(imported[2]) == {}


def test_two_spellings_that_do_not(load: Import, write: Write) -> None:
    path = write(record(text=None), record(text="How many?"), record(text="Where?"))
    message = "expected one of the fields 'question' and 'text', or both the same, got 'How many.' and 'Where.'; say wh"
    with pytest.raises(ArmsError, match=rf"{path}, (line|row) 3: {message}ich one it is: --question-field"):
        load(path)
    assert right(load(path, question_field="question")) == {("How many?", "v1"): True}


def test_two_image_fields(load: Import, tmp_path: Path) -> None:
    rows = [record(image={"bytes": png((9, 9, 9)), "path": "x.png"}, image_path="x.png")]
    path = write_parquet(tmp_path / "a.parquet", rows)
    with pytest.raises(ArmsError, match=r"row 1: expected one of the fields 'image' and 'image_path'.*--image-field"):
        load(path)
    (query,), _, _ = load(path, image_field="image")
    assert (tmp_path / "out" / query["image"]).read_bytes() == png((9, 9, 9))


def test_columns_of_one_name(load: Import, tmp_path: Path) -> None:
    table = pa.table([pa.array(["x"])] * 3 + [pa.array([True])], names=["image", "question", "question", "label"])
    table = table.append_column("vlm", pa.array(["v1"]))
    pa.parquet.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(ArmsError, match=r"a.parquet: expected one field 'question', got 2; rename all but one"):
        load(tmp_path / "a.parquet")


def test_defaults(load: Import, write: Write) -> None:
    (query,), _, _ = load(write(record()))
    assert (query["benchmark"], query["task"], query["language"], query["answer"]) == ("m2", "m2", "en", None)
    (query,), _, _ = load(write(record()), benchmark="ocr", language="fr")
    assert (query["benchmark"], query["task"], query["language"]) == ("ocr", "ocr", "fr")


def test_labels(load: Import, write_json: Write) -> None:
    labels = {
        **{"one": True, "two": 1, "three": 1.0, "four": "True", "five": "correct", "six": "1", "seven": " yes "},
        **{"eight": False, "nine": 0, "ten": "false", "eleven": "wrong", "twelve": "0.0"},
    }
    wrong = {"a": "maybe", "b": [1], "c": {"x": 1}, "d": float("inf"), "e": "1_0"}
    unknown = {"f": None, "g": "", "h": float("nan"), "i": "n/a"}
    rows = [record(question, label=label) for question, label in {**labels, **wrong, **unknown}.items()]
    imported = load(write_json(*rows))
    assert right(imported) == {(question, "v1"): number < 7 for number, question in enumerate(labels)}
    assert kinds(imported[2]) == {
        "grade that is none": len(wrong),
        "correct is neither true nor false": len(wrong) + len(unknown),
        "query without outcome": len(wrong) + len(unknown),
    }


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        ((True, False), pa.bool_()),
        ((1, 0), pa.int8()),
        ((1.0, 0.0), pa.float32()),
        (("yes", "no"), pa.string()),
        (("yes", "no"), pa.dictionary(pa.int8(), pa.string())),
        (("1", "0"), pa.large_string()),
    ],
)
def test_labels_in_parquet(load: Import, tmp_path: Path, labels: tuple, kind: pa.DataType) -> None:
    (tmp_path / "a.png").write_bytes(png((1, 2, 3)))
    rows = [record("one", label=labels[0]), record("two", label=labels[1]), record("three", label=None)]
    imported = load(write_parquet(tmp_path / "a.parquet", rows, label=kind))
    assert right(imported) == {("one", "v1"): True, ("two", "v1"): False}
    assert kinds(imported[2]) == {"correct is neither true nor false": 1, "query without outcome": 1}


def test_labels_that_are_grades(load: Import, write: Write) -> None:
    path = write(*(record(str(grade), label=grade) for grade in (0.0, 0.4, 0.5, 1.0)))
    imported = load(path)
    assert list(right(imported).values()) == [False, False, True, True]
    assert imported[2].verdicts == ("label >= 0.5",)
    assert list(right(load(path, threshold=0.4)).values()) == [False, True, True, True]
    assert list(right(load(path, threshold=0.4, lower_is_better=True)).values()) == [True, True, False, False]
    with pytest.raises(
        ArmsError, match="label: expected 0 and 1, or shares of which more is better, got grades from 3"
    ):
        load(write(record(label=3)))
    with pytest.raises(ArmsError, match="metric error: expected one of which more is better"):
        load(write(record(error=0)), label_field="error")


def test_exact_match(load: Import, write: Write) -> None:
    answers = {"same": ("4", "4"), "other": ("4", "5"), "case": ("Red", "red"), "space": ("4", "4 ")}
    rows = [record(q, ground_truth=truth, output=output) for q, (truth, output) in answers.items()]
    rows += [record("no truth", ground_truth=None, output="4"), record("no output", ground_truth="4", output=None)]
    rows += [record("blank", ground_truth="", output="")]
    for number, row in enumerate(rows):
        row["label"] = (None, "", " ")[number % 3]
    rows.append(record("label", ground_truth="4", output="5", label="true"))  # a label counts
    imported = load(write(*rows), exact_match=True)
    assert right(imported) == {
        **{("same", "v1"): True, ("other", "v1"): False, ("case", "v1"): False, ("space", "v1"): False},
        ("label", "v1"): True,
    }
    assert kinds(imported[2]) == {"correct is neither true nor false": 3, "query without outcome": 3}
    assert imported[2].verdicts == ("label >= 1", "output equal to the ground truth")


def test_exact_match_without_labels(load: Import, write: Write) -> None:
    rows = [record("one", ground_truth="4", output="4"), record("two", ground_truth="4", output="3")]
    for row in rows:
        del row["label"]
    path = write(*rows)
    with pytest.raises(ArmsError, match="expected a field 'label' or 'correct'"):
        load(path)
    assert right(load(path, exact_match=True)) == {("one", "v1"): True, ("two", "v1"): False}
    with pytest.raises(ArmsError, match=r"expected a field 'output' or 'response' or .*: --output-field"):
        load(write(record()), exact_match=True)


def test_images(load: Import, write_json: Write, tmp_path: Path) -> None:
    content = png((9, 9, 9))
    text = base64.b64encode(content).decode()
    usable = {
        "data URI": f"data:image/png;base64,{text}",
        "base64": text,
        "base64 in lines": "\n".join(text[start : start + 76] for start in range(0, len(text), 76)),
        "mapping": {"bytes": text, "path": "x.png"},
        "list": [{"bytes": f"data:image/png;base64,{text}", "path": None}],
    }
    path = {"mapping of a path": {"bytes": None, "path": "a.png"}, "only a path": {"path": "a.png"}, "path": "a.png"}
    broken = {
        "number": 5,
        "empty list": [],
        "several": ["a.png", "a.png"],
        "mapping of nothing": {"url": "a.png"},
        "mapping of a number": {"path": 5},
    }
    lost = {
        "null": None,
        "blank": " ",
        "mapping of null": {"bytes": None, "path": None},
        "web": "https://example.org/a.png",
        "outside": "../a.png",
        "absolute": "/a.png",
        "missing": "b.png",
        "no image": base64.b64encode(b"nothing" * 20).decode(),
        "cut off": text[:70],
        "long": "x" * 5000,
        "NUL": "a\x00.png",
    }
    rows = [record(question, image=image) for question, image in {**usable, **path, **broken, **lost}.items()]
    imported = load(write_json(*rows))
    contents = {query["question"]: (tmp_path / "out" / query["image"]).read_bytes() for query in imported[0]}
    assert contents == {**dict.fromkeys(usable, content), **dict.fromkeys(path, png((1, 2, 3)))}
    found = kinds(imported[2])
    assert found.pop("query set aside") == len(lost)
    assert found == {
        "record that cannot be used": len(broken),
        "no image": 3,
        "image on the web": 1,
        "image path with '..'": 1,
        "image outside the roots": 1,
        "missing image file": 3,
        "unreadable image": 2,
    }
    assert detail(imported[2], "record that cannot be used") == "expected one image, a path, base64 or bytes, got 5"


STRUCT = pa.struct({"bytes": pa.binary(), "path": pa.string()})


@pytest.mark.parametrize(
    ("images", "kind"),
    [
        ((png((9, 9, 9)), b"broken", None), pa.binary()),
        ((png((9, 9, 9)), b"broken", None), pa.large_binary()),
        (({"bytes": png((9, 9, 9)), "path": "x"}, {"bytes": b"broken", "path": "a.png"}, None), STRUCT),
        (({"bytes": None, "path": "a.png"}, {"bytes": None, "path": None}, None), STRUCT),
        (([{"bytes": png((9, 9, 9)), "path": "x"}], [{"bytes": None, "path": "b.png"}], None), pa.list_(STRUCT)),
        (("a.png", "b.png", None), pa.dictionary(pa.int8(), pa.string())),
        (("a.png", "b.png", None), pa.large_string()),
    ],
)
def test_images_in_parquet(load: Import, tmp_path: Path, images: tuple, kind: pa.DataType) -> None:
    (tmp_path / "a.png").write_bytes(png((9, 9, 9)))
    rows = [record(question, image=image) for question, image in zip(("good", "bad", "none"), images, strict=True)]
    (query,), outcomes, report = load(write_parquet(tmp_path / "a.parquet", rows, image=kind))
    assert query["question"] == "good"
    assert (tmp_path / "out" / query["image"]).read_bytes() == png((9, 9, 9))
    assert len(outcomes) == 1
    assert kinds(report)["query set aside"] == 2


def test_an_image_column_of_numbers(load: Import, tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", [record(image=5), record(image=6)])
    with pytest.raises(
        ArmsError, match=r"(?s)none to use.*2 set aside: record that cannot be used \(.*row 1: expected o"
    ):
        load(path)


def test_records_join_on_the_image_content(load: Import, tmp_path: Path) -> None:
    one, other = ({"bytes": png((number, 0, 0)), "path": "same.png"} for number in range(2))
    first = write_parquet(tmp_path / "a.parquet", [record(image=one), record(image=other)])
    text = "data:image/png;base64," + base64.b64encode(png((0, 0, 0))).decode()
    second = write_lines(tmp_path / "b.jsonl", [record(image=text, vlm="v2")])
    queries, outcomes, report = load(first, second)
    assert len(queries) == 2
    assert [(row["query_id"], row["vlm"]) for row in outcomes] == [
        (queries[0]["query_id"], "v1"),
        (queries[1]["query_id"], "v1"),
        (queries[0]["query_id"], "v2"),
    ]
    assert kinds(report) == {}


def test_ids(load: Import, write: Write) -> None:
    rows = (
        record("one", id=1, benchmark="ocr"),
        record("one", id=1, benchmark="ocr", vlm="v2"),
        record("uno", id=1, benchmark="ocr", vlm="v3"),  # a prompt of its own
        record("two", id=1, benchmark="vqa"),
        record("three", id=2, benchmark="vqa"),
        record("four", id=None, benchmark="vqa"),
    )
    queries, outcomes, report = load(write(*rows))
    assert {query["query_id"]: query["question"] for query in queries} == {
        "ocr/1": "one",
        "vqa/1": "two",
        "vqa/2": "three",
    }
    assert [(row["query_id"], row["vlm"]) for row in outcomes[:3]] == [
        ("ocr/1", "v1"),
        ("ocr/1", "v2"),
        ("ocr/1", "v3"),
    ]
    assert kinds(report) == {
        "row without a query id": 1,
        "question differs from that of the query's first row": 1,
    }


def test_records_that_disagree(load: Import, write: Write) -> None:
    rows = (
        record("one", id="q", ground_truth="4", task="t"),
        record("one", id="q", ground_truth="5", task="t", vlm="v2"),
        record("one", id="q", ground_truth="4", task="t", vlm="v3", image="b.png"),
        record("one", id="q", ground_truth=None, task="u", vlm="v4"),
    )
    _, outcomes, report = load(write(*rows))
    assert [row["vlm"] for row in outcomes] == ["v1", "v4"]
    assert kinds(report) == {
        "answer differs from that of the query's first row": 1,
        "image differs from that of the query's first row": 1,
        "task differs from that of the query's first row": 1,
    }


def test_repeated_records(load: Import, write: Write) -> None:
    rows = (record("one"), record("one"), record("two"), record("two", label=False), record("three"))
    imported = load(write(*rows))
    assert right(imported) == {("one", "v1"): True, ("three", "v1"): True}
    assert kinds(imported[2]) == {
        "conflicting rows for one query_id and vlm": 2,
        "repeated row for one query_id and vlm": 1,
        "query without outcome": 1,
    }


def test_costs_and_latencies(load: Import, write_json: Write) -> None:
    amounts = {"a": 0.1, "b": 2, "c": "0.25", "d": None, "e": "", "f": 0, "g": 1e-9}
    wrong = {"h": -1, "i": "dear", "j": True, "k": [1], "l": float("inf"), "m": "-0.5"}
    rows = [record(q, cost=amount, latency=amount) for q, amount in {**amounts, **wrong}.items()]
    _, outcomes, report = load(write_json(*rows))
    expected = [0.1, 2.0, 0.25, None, None, 0.0, 1e-9, *[None] * len(wrong)]
    assert [row["cost_usd"] for row in outcomes] == expected
    assert [row["latency_s"] for row in outcomes] == expected
    assert kinds(report) == {"cost that is no amount": len(wrong), "latency that is no amount": len(wrong)}


def test_other_fields_are_noted(load: Import, write: Write) -> None:
    _, _, report = load(write(record(split="ood", prompt_tokens=700, Subset="x")))
    assert kinds(report) == {"split that is not used": 1, "fields that are not read": 1}
    assert detail(report, "split that is not used") == "split, Subset"
    assert detail(report, "fields that are not read") == "prompt_tokens"
    assert report.rows_set_aside == 0


WRONG = (None, 5, 1.5, True, [], ["a"], {}, {"a": [1]}, "\ud800", "x" * 100_000, "\x00", " ")


@pytest.mark.parametrize(
    ("field", "num_usable"),
    [
        ("output", 12),
        ("cost", 12),
        ("latency", 12),
        ("task", 10),  # all but null and the blank text
        ("language", 10),
        ("benchmark", 10),
        ("ground_truth", 12),
        ("id", 10),
        ("question", 3),  # the texts but the blank one
        ("vlm", 2),  # and but the one that cannot be printed
        ("image", 0),
        ("label", 1),  # true, as 5 and 1.5 are no verdicts; see below
    ],
)
def test_wrong_types(load: Import, write_json: Write, field: str, num_usable: int) -> None:
    wrong = [value for value in WRONG if field != "label" or value not in (5, 1.5)]
    rows = [record(f"n{number}") | {field: value} for number, value in enumerate(wrong)]
    good = record("good") | ({} if field in record() else {field: "1"})
    imported = load(write_json(good, *rows))
    assert right(imported)["good", "v1"] is True
    assert len(imported[1]) == 1 + num_usable
    report = imported[2]
    assert report.rows_set_aside + report.report.outcomes_set_aside == len(wrong) - num_usable


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("output", ([["a"]], [None])),
        ("output", ({"a": 1}, None)),
        ("output", (date(2024, 5, 1), None)),
        ("output", (b"abc", None)),
        ("output", (float("nan"), 1.5)),
        ("ground_truth", (True, None)),
        ("task", (5, 6)),
        ("language", ([1], [2])),
    ],
)
def test_types_in_parquet(load: Import, tmp_path: Path, field: str, values: tuple) -> None:
    (tmp_path / "a.png").write_bytes(png((1, 2, 3)))
    rows = [record("one", **{field: values[0]}), record("two", **{field: values[1]})]
    queries, outcomes, _ = load(write_parquet(tmp_path / "a.parquet", rows))
    found = [row[{"ground_truth": "answer"}.get(field, field)] for row in (outcomes if field == "output" else queries)]
    assert (
        found
        == {
            "output": {
                list: ['[["a"]]', "[null]"],
                dict: ['{"a": 1}', None],
                date: ["2024-05-01", None],
                bytes: ["abc", None],
                float: [None, "1.5"],
            }.get(type(values[0])),
            "ground_truth": ["true", None],
            "task": ["5", "6"],
            "language": ["[1]", "[2]"],
        }[field]
    )


@pytest.mark.parametrize("field", ["question", "vlm"])
def test_columns_that_must_be_texts(load: Import, tmp_path: Path, field: str) -> None:
    path = write_parquet(tmp_path / "a.parquet", [record(**{field: 5})])
    with pytest.raises(ArmsError, match=f"a.parquet, column '{field}': expected text, got int64"):
        load(path)


def test_vlm_names(load: Import, write: Write) -> None:
    rows = [record(vlm=vlm) for vlm in ("good", None, "", "two\nlines", "org/good")]
    _, outcomes, report = load(write(*rows))
    assert [row["vlm"] for row in outcomes] == ["good", "org/good"]
    assert kinds(report) == {"outcome without a VLM's name": 3}


def test_chunks(load: Import, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(m2_lines, "_CHUNK", 3)
    monkeypatch.setattr(m2_parquet, "_BATCH_ROWS", 3)
    rows = [record(id=f"q{number}", vlm=None if number in (3, 7) else "v1") for number in range(8)]
    _, outcomes, report = load(write(*rows))
    assert [row["query_id"] for row in outcomes] == [f"m2/q{number}" for number in (0, 1, 2, 4, 5, 6)]
    assert [place.rpartition(" ")[2] for place in where(report, "outcome without a VLM's name")] == ["4", "8"]


def test_batches_of_images(load: Import, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(m2_parquet, "_BATCH_IMAGES", 2)
    images = [{"bytes": png((number, 0, 0)), "path": None} for number in range(5)]
    path = write_parquet(tmp_path / "a.parquet", [record(image=image) for image in images])
    queries, _, _ = load(path)
    assert [(tmp_path / "out" / query["image"]).read_bytes() for query in queries] == [one["bytes"] for one in images]


def test_broken_lines(load: Import, write_json: Write) -> None:
    path = write_json(record("one"), record("two"), record("three"))
    whole = path.read_bytes()
    path.write_bytes(b"\xef\xbb\xbf" + whole[:-30] + b"\n\n[1]\n\xff\xfe\n5\n" + whole.splitlines(keepends=True)[2])
    imported = load(path)
    assert right(imported) == {("one", "v1"): True, ("two", "v1"): True, ("three", "v1"): True}
    assert kinds(imported[2]) == {"line that is no JSON": 2, "line that is no JSON object": 2}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b"", "expected M2 records, got none to use"),
        ("a.jsonl", b"broken", r"got none to use\n1 set aside: line that is no JSON \(.*a.jsonl, line 1: Expecting"),
        ("a.jsonl", b"{}", "a.jsonl: expected a field 'image' or 'image_path', got none; say which one it is"),
        (
            "a.jsonl",
            b'{"a": 1}',
            r"a.jsonl: expected a field 'image' or 'image_path', got 'a'; say which one it is: --im",
        ),
        (
            "a.json",
            b'[{"image": "a.png"}]',
            "a.json: expected JSON Lines, a record on each line, got one list of records",
        ),
        ("a.json", b" [\n  {", "expected JSON Lines, a record on each line, got one list of records"),
        ("a.parquet", b"", "a.parquet: expected a Parquet file, could not read it"),
        ("a.parquet", b"PAR1 broken PAR1", "a.parquet: expected a Parquet file, could not read it"),
        ("a.csv", b"image,question", r"got none to use\n1 set aside: line that is no JSON"),
    ],
)
def test_files_that_are_no_records(load: Import, tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ArmsError, match=message):
        load(tmp_path / name)
    assert not (tmp_path / "out").exists()


def test_unreadable_files_in_a_folder(load: Import, write: Write, tmp_path: Path) -> None:
    good = write(record())
    (tmp_path / "m2/b.parquet").write_bytes(b"broken")
    (tmp_path / "m2/c.jsonl").mkdir()
    (tmp_path / "m2/d.jsonl").write_text("[{}]")
    (tmp_path / "m2/readme.md").write_text("left alone")
    (tmp_path / "m2/e.jsonl").write_text("")
    imported = load(tmp_path / "m2")
    assert right(imported) == {("How many?", "v1"): True}
    assert kinds(imported[2]) == {"file that cannot be read": 2}
    good.unlink()
    with pytest.raises(ArmsError, match=r"(?s)got none to use.*2 set aside: file that cannot be read \(.*b.parquet"):
        load(tmp_path / "m2")


def test_text_that_is_not_utf8(load: Import, tmp_path: Path) -> None:
    broken = pa.Array.from_buffers(pa.string(), 1, [*pa.array(["ab"]).buffers()[:2], pa.py_buffer(b"\xff\xfe")])
    columns = {"image": ["a.png"], "question": broken, "vlm": ["v1"], "label": [True]}
    pa.parquet.write_table(pa.table(columns), tmp_path / "a.parquet")
    with pytest.raises(ArmsError, match=r"a.parquet: expected a Parquet file, could not read it: .*UTF8"):
        load(tmp_path / "a.parquet")


def test_a_folder_without_records(load: Import, tmp_path: Path) -> None:
    with pytest.raises(ArmsError, match="expected M2 records, got none to use"):
        load(tmp_path)


def test_description_says_whose_names_these_are() -> None:
    assert "The names of M2's fields are not published: these are ours until they are." in M2Importer.description
    assert "  --ground-truth-field  ground_truth, answer, target\n" in M2Importer.description


def test_progress(tmp_path: Path) -> None:
    seen = []
    import_log(M2Importer(), write_log(tmp_path), tmp_path / "out", FREE, on_read=lambda *done: seen.append(done))
    assert seen == [(1, 2), (2, 2)]


def test_settings_are_in_the_report(load: Import, write: Write, tmp_path: Path) -> None:
    load(write(record()), benchmark="ocr")
    report = json.loads((tmp_path / "out/import_report.json").read_text())
    assert report["format"] == "M2Importer"
    assert report["settings"]["benchmark"] == "ocr"
    assert report["correct"] == ["label >= 1"]

import base64
import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from arms.errors import ArmsError
from arms.importers.image_intake import ImageIntake
from arms.importers.m2_importer import FIELDS, FLAGS, M2Importer
from arms.importers.records import collect, image_cells
from arms.importers.records.records_importer import field_of
from arms.importers.rows import parquet
from arms.importers.run import ImportOptions
from tests.importers.helpers import FREE, Imported, load_log
from tests.importers.logs.m2 import EMBEDDED, FILES, VLMS, png, write_lines, write_log, write_parquet

Import = Callable[..., Imported]
Write = Callable[..., Path]

VALUES = {
    "group": "g1",
    "split": "id",  # by what a field holds
    **{"query_id": "7", "benchmark": "ocr", "task": "reading", "language": "de", "question": "Was?", "image": "a.png"},
    **{"answer": "Halt", "vlm": "v1", "grade": False, "output": "Hals", "cost_usd": 0.25, "latency_s": 2.5},
    **{"score": 0.25, "propensity": 0.5},
}
STRUCT = pa.struct({"bytes": pa.binary(), "path": pa.string()})


@pytest.fixture
def load(tmp_path: Path) -> Import:
    """Imports M2's records with some settings."""

    def run(*sources: Path, options: ImportOptions = FREE, **settings: Any) -> Imported:
        return load_log(tmp_path / "out", M2Importer(**settings), *sources, options=options)

    return run


@pytest.fixture
def write_json(tmp_path: Path) -> Write:
    """Writes rows of any types, which JSON Lines can hold, beside the image a.png."""

    def run(*rows: Any, name: str = "records") -> Path:
        path = tmp_path / f"m2/{name}.jsonl"
        path.parent.mkdir(exist_ok=True)
        (path.parent / "a.png").write_bytes(png((1, 2, 3)))
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    return run


@pytest.fixture(params=["lines", "parquet"])
def write(request: pytest.FixtureRequest, write_json: Write, tmp_path: Path) -> Write:
    """Writes rows in one of the two forms, beside the image a.png."""

    def run(*rows: dict[str, Any], **types: pa.DataType) -> Path:
        path = write_json(*rows)
        if request.param == "lines":
            return path
        path.unlink()
        return write_parquet(path.with_suffix(".parquet"), rows, **types)

    return run


def record(question: Any = "How many?", **changes: Any) -> dict[str, Any]:
    """What a record needs."""
    return {"image": "a.png", "question": question, "vlm": "v1", "label": True, **changes}


def test_log(load: Import, tmp_path: Path) -> None:
    found = load(*write_log(tmp_path))
    assert (found.kinds, found.report.images_found, found.report.verdicts) == ({}, 4, ("label >= 1",))
    keys = ("benchmark", "question", "answer", "task", "language")
    asked = [(benchmark, *query[:4]) for benchmark, _, *query in (*FILES, *EMBEDDED)]
    assert [tuple(query[key] for key in keys) for query in found.queries] == asked
    bars, sign = png((0, 60, 90)), png((1, 60, 90))
    pictures = [bars, bars, sign, sign, png((200, 0, 0)), png((0, 0, 200))]
    assert [found.image(query) for query in found.queries] == pictures
    assert all(query["query_id"].startswith(query["benchmark"] + "/") for query in found.queries)
    expected = [
        {
            **{"query_id": query["query_id"], "vlm": vlm, "correct": label},
            "output": query["answer"] if label else f"not {query['answer']}",
            **{"cost_usd": 0.00125 if vlm == "gpt-4o" else None, "latency_s": 1.5 if vlm == "gpt-4o" else None},
        }
        for query, (*_, labels) in zip(found.queries, (*FILES, *EMBEDDED), strict=True)
        for vlm, label in zip(VLMS, labels, strict=True)
        if label is not None
    ]
    assert found.outcomes == expected
    assert tuple(found.report.report.outcomes_per_vlm) == VLMS
    files = [tmp_path / "m2/data/files.jsonl", tmp_path / "m2/data/test-00000-of-00001.parquet"]
    again = load(
        *reversed(files), files[0], tmp_path / "m2", options=ImportOptions(access="free", roots=(tmp_path / "m2",))
    )
    assert sorted(map(str, again.queries)) == sorted(map(str, found.queries)), "ids depend on content only"


class TestFields:
    @pytest.mark.parametrize("pick", [0, 1, -1, "named"])
    def test_spellings_and_names(self, load: Import, write: Write, pick: int | str) -> None:
        names = {held: f"my {held}" for held in FIELDS}
        settings = {field_of(FLAGS[held]): name for held, name in names.items()} if pick == "named" else {}
        decoys = {name: "decoy" for spellings in FIELDS.values() for name in spellings} if settings else {}
        if isinstance(pick, int):
            names = {held: spellings[min(pick, len(spellings) - 1)] for held, spellings in FIELDS.items()}
        found = load(write({**decoys, **{names[held]: value for held, value in VALUES.items()}}), **settings)
        (query,), (outcome,) = found.queries, found.outcomes
        held = {**VALUES, "query_id": "ocr/7", "correct": False}
        assert len(query.pop("images")) == 1
        assert query == {name: held[name] for name in query}
        assert outcome == {name: held[name] for name in outcome}
        assert found.kinds == ({"fields that are not read": 1, "split that is not used": 1} if settings else {})

    @pytest.mark.parametrize("held", list(FIELDS))
    def test_one_that_is_named_must_be_there(self, load: Import, write: Write, held: str) -> None:
        flag = FLAGS[held]
        with pytest.raises(ArmsError, match=rf"expected a field 'mine', got 'image', .*; say which one it is: {flag}"):
            load(write(record()), **{field_of(flag): "mine"})

    @pytest.mark.parametrize("held", ["image", "question", "vlm", "grade"])
    def test_those_that_are_needed(self, load: Import, write: Write, held: str) -> None:
        row = record()
        del row[{"grade": "label"}.get(held, held)]
        spellings = " or ".join(map(repr, FIELDS[held]))
        with pytest.raises(
            ArmsError, match=rf"expected a field {spellings}, got .*; say which one it is: {FLAGS[held]}"
        ):
            load(write(row))

    def test_two_spellings(self, load: Import, write: Write) -> None:
        rows = (record("one", text="one", model=None), record(None, text="two", model="v1"))
        found = load(write(*rows, model=pa.string()))
        assert (found.right, found.kinds) == ({("one", "v1"): True, ("two", "v1"): True}, {})
        path = write(record(text=None), record(text="How many?"), record(text="Where?"))
        message = (
            "expected one of the fields 'question' and 'text', or both the same, got 'How many.' and 'Where.'; say"
        )
        with pytest.raises(ArmsError, match=rf"{path}, (line|row) 3: {message} which one it is: --question-field"):
            load(path)
        assert load(path, question_field="question").right == {("How many?", "v1"): True}

    def test_two_of_images(self, load: Import, tmp_path: Path) -> None:
        rows = [record(image={"bytes": png((9, 9, 9)), "path": "x.png"}, image_path="x.png")]
        path = write_parquet(tmp_path / "a.parquet", rows)
        with pytest.raises(
            ArmsError, match=r"row 1: expected one of the fields 'image' and 'image_path'.*--image-field"
        ):
            load(path)
        found = load(path, image_field="image")
        assert found.image(found.queries[0]) == png((9, 9, 9))

    def test_one_name_twice(self, load: Import, tmp_path: Path) -> None:
        table = pa.table(
            [pa.array(["x"])] * 4 + [pa.array([True])], names=["image", "question", "question", "vlm", "label"]
        )
        pa.parquet.write_table(table, tmp_path / "a.parquet")
        with pytest.raises(ArmsError, match=r"a.parquet: expected one column 'question', got 2; rename all but one"):
            load(tmp_path / "a.parquet")

    def test_defaults_and_what_is_not_read(self, load: Import, write: Write) -> None:
        path = write(record(split="ood", prompt_tokens=700, Subset="x"))
        found = load(path)
        (query,) = found.queries
        assert (query["benchmark"], query["task"], query["language"], query["answer"]) == ("m2", "m2", "en", None)
        assert found.kinds == {"split that is not used": 1, "fields that are not read": 1}
        assert found.examples("split that is not used")[0][1] == "Subset"
        assert query["split"] == "ood"
        assert "group" not in query
        assert found.examples("fields that are not read")[0][1] == "prompt_tokens"
        (query,) = load(path, benchmark="ocr", language="fr").queries
        assert (query["benchmark"], query["task"], query["language"]) == ("ocr", "ocr", "fr")

    def test_the_description_says_whose_names_these_are(self) -> None:
        assert "The names of M2's fields are not published: these are ours until they are." in M2Importer.description
        assert "  --ground-truth-field  ground_truth, answer, target\n" in M2Importer.description


class TestLabels:
    def test_in_lines(self, load: Import, write_json: Write) -> None:
        labels = {
            **{"one": True, "two": 1, "three": 1.0, "four": "True", "five": "correct", "six": "1", "seven": " yes "},
            **{"eight": False, "nine": 0, "ten": "false", "eleven": "wrong", "twelve": "0.0"},
        }
        wrong = {"a": "maybe", "b": [1], "c": {"x": 1}, "d": float("inf"), "e": "1_0"}
        unknown = {"f": None, "g": "", "h": float("nan"), "i": "n/a"}
        found = load(write_json(*(record(q, label=label) for q, label in {**labels, **wrong, **unknown}.items())))
        assert found.right == {(question, "v1"): number < 7 for number, question in enumerate(labels)}
        assert found.kinds == {
            "value that is not a grade": len(wrong),
            **dict.fromkeys(("correct is neither true nor false", "query without outcome"), len(wrong) + len(unknown)),
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
    def test_in_parquet(self, load: Import, tmp_path: Path, labels: tuple, kind: pa.DataType) -> None:
        (tmp_path / "a.png").write_bytes(png((1, 2, 3)))
        rows = [record("one", label=labels[0]), record("two", label=labels[1]), record("three", label=None)]
        found = load(write_parquet(tmp_path / "a.parquet", rows, label=kind))
        assert found.right == {("one", "v1"): True, ("two", "v1"): False}
        assert found.kinds == {"correct is neither true nor false": 1, "query without outcome": 1}

    def test_that_are_grades(self, load: Import, write: Write) -> None:
        path = write(*(record(str(grade), label=grade) for grade in (0.0, 0.4, 0.5, 1.0)))
        found = load(path)
        assert (list(found.right.values()), found.report.verdicts) == ([False, False, True, True], ("label >= 0.5",))
        assert list(load(path, threshold=0.4).right.values()) == [False, True, True, True]
        assert list(load(path, threshold=0.4, lower_is_better=True).right.values()) == [True, True, False, False]
        with pytest.raises(ArmsError, match="metric error: expected one where more is better"):
            load(write(record(error=0)), label_field="error")

    def test_exact_match(self, load: Import, write: Write) -> None:
        answers = {"same": ("4", "4"), "other": ("4", "5"), "case": ("Red", "red"), "space": ("4", "4 ")}
        rows = [record(q, ground_truth=truth, output=output) for q, (truth, output) in answers.items()]
        rows += [record("no truth", ground_truth=None, output="4"), record("no output", ground_truth="4", output=None)]
        rows += [record("blank", ground_truth="", output="")]
        for number, row in enumerate(rows):
            row["label"] = (None, "", " ")[number % 3]
        rows.append(record("label", ground_truth="4", output="5", label="true"))  # a label counts
        found = load(write(*rows), exact_match=True)
        expected = {"same": True, "other": False, "case": False, "space": False, "label": True}
        assert found.right == {(question, "v1"): verdict for question, verdict in expected.items()}
        assert found.kinds == {"correct is neither true nor false": 3, "query without outcome": 3}
        assert found.report.verdicts == ("label >= 1", "output equal to the ground truth")

    def test_exact_match_without_labels(self, load: Import, write: Write) -> None:
        rows = [record("one", ground_truth="4", output="4"), record("two", ground_truth="4", output="3")]
        path = write(*({name: value for name, value in row.items() if name != "label"} for row in rows))
        with pytest.raises(ArmsError, match="expected a field 'label' or 'correct'"):
            load(path)
        assert load(path, exact_match=True).right == {("one", "v1"): True, ("two", "v1"): False}
        with pytest.raises(ArmsError, match=r"expected a field 'output' or 'response' or .*: --output-field"):
            load(write(record()), exact_match=True)


class TestImages:
    def test_in_lines(self, load: Import, write_json: Write) -> None:
        content = png((9, 9, 9))
        text = base64.b64encode(content).decode()
        usable = {
            "data URI": f"data:image/png;base64,{text}",
            "base64": text,
            "base64 in lines": "\n".join(text[start : start + 76] for start in range(0, len(text), 76)),
            "mapping": {"bytes": text, "path": "x.png"},
            "list": [{"bytes": f"data:image/png;base64,{text}", "path": None}],
        }
        path = {
            "mapping of a path": {"bytes": None, "path": "a.png"},
            "only a path": {"path": "a.png"},
            "path": "a.png",
        }
        broken = [5, ["a.png", 5], ["a.png", None], {"url": "a.png"}, {"path": 5}]
        nothing = [None, " ", {"bytes": None, "path": None}]
        lost = {
            **{"https://example.org/a.png": "image on the web", "../a.png": "image path with '..'"},
            **{"/a.png": "image outside the roots", "b.png": "missing image file", "x" * 5000: "unreadable image"},
            **{base64.b64encode(b"nothing" * 20).decode(): "unreadable image", text[:70]: "unreadable image"},
            "a\x00.png": "missing image file",
        }
        rows = [record(question, image=image) for question, image in {**usable, **path}.items()]
        rows += [record(f"n{number}", image=image) for number, image in enumerate([*broken, *nothing, *lost])]
        found = load(write_json(*rows))
        contents = {query["question"]: found.image(query) for query in found.queries}
        assert contents == {**dict.fromkeys(usable, content), **dict.fromkeys(path, png((1, 2, 3)))}
        kinds = found.kinds
        assert kinds.pop("query set aside") == len(nothing) + len(lost)
        assert kinds.pop("record that cannot be used") == len(broken)
        assert kinds.pop("image unknown") == len(nothing)
        assert set(kinds) == set(lost.values())
        assert found.examples("record that cannot be used")[0][1] == "expected an image, a path, base64 or bytes, got 5"

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
    def test_in_parquet(self, load: Import, tmp_path: Path, images: tuple, kind: pa.DataType) -> None:
        (tmp_path / "a.png").write_bytes(png((9, 9, 9)))
        rows = [record(question, image=image) for question, image in zip(("good", "bad", "none"), images, strict=True)]
        found = load(write_parquet(tmp_path / "a.parquet", rows, image=kind))
        assert found.right == {("good", "v1"): True}
        assert found.image(found.queries[0]) == png((9, 9, 9))
        assert found.kinds["query set aside"] == 2

    def test_records_join_on_their_content(self, load: Import, tmp_path: Path) -> None:
        one, other = ({"bytes": png((number, 0, 0)), "path": "same.png"} for number in range(2))
        first = write_parquet(tmp_path / "a.parquet", [record(image=one), record(image=other)])
        text = "data:image/png;base64," + base64.b64encode(png((0, 0, 0))).decode()
        found = load(first, write_lines(tmp_path / "b.jsonl", [record(image=text, vlm="v2")]))
        ids = found.column("query_id")
        assert [(ids.index(row["query_id"]), row["vlm"]) for row in found.outcomes] == [(0, "v1"), (1, "v1"), (0, "v2")]
        assert found.kinds == {}

    def test_a_base64_text_is_decoded_once(self, load: Import, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
        taken = []
        add = ImageIntake.add_base64
        monkeypatch.setattr(ImageIntake, "add_base64", lambda self, text: taken.append(text) or add(self, text))
        text = base64.b64encode(png((9, 9, 9))).decode()
        rows = [record(image=text, vlm=f"v{number}") for number in range(5)]
        assert len(load(write(*rows)).outcomes) == 5
        assert len(taken) == 1
        monkeypatch.setattr(image_cells, "_REMEMBERED", 0)
        assert len(load(write(*rows, record("Else?", image=text + "AA"))).outcomes) == 5


class TestRecords:
    def test_ids(self, load: Import, write: Write) -> None:
        rows = (
            record("one", id=1, benchmark="ocr"),
            record("one", id=1, benchmark="ocr", vlm="v2"),
            record("uno", id=1, benchmark="ocr", vlm="v3"),  # a prompt of its own
            record("two", id=1, benchmark="vqa"),
            record("three", id=2, benchmark="vqa"),
            record("four", id=None, benchmark="vqa"),
        )
        found = load(write(*rows))
        asked = {query["query_id"]: query["question"] for query in found.queries}
        assert asked == {"ocr/1": "one", "vqa/1": "two", "vqa/2": "three"}
        assert [row["vlm"] for row in found.outcomes if row["query_id"] == "ocr/1"] == ["v1", "v2", "v3"]
        differs = "question differs from that of the query's first row"
        assert found.kinds == {"row without a query id": 1, differs: 1}

    def test_costs_and_latencies(self, load: Import, write_json: Write) -> None:
        amounts = {0.1: 0.1, 2: 2.0, "0.25": 0.25, None: None, "": None, 0: 0.0, 1e-9: 1e-9}
        wrong = [-1, "dear", True, [1], float("inf"), "-0.5"]
        rows = [record(f"{n}", cost=one, latency=one) for n, one in enumerate([*amounts, *wrong])]
        found = load(write_json(*rows))
        expected = [*amounts.values(), *[None] * len(wrong)]
        assert found.column("cost_usd") == found.column("latency_s") == expected
        assert found.kinds == {"cost that is not an amount": len(wrong), "latency that is not an amount": len(wrong)}

    @pytest.mark.parametrize(
        ("field", "num_usable"),
        [
            *(("output", 12), ("cost", 12), ("latency", 12), ("ground_truth", 12)),
            *(("task", 10), ("language", 10), ("benchmark", 10), ("id", 10)),  # all but null and the blank text
            ("question", 4),  # the texts, and the blank one and null, which are one: a picture may be all that is sent
            ("vlm", 2),  # and but the one that cannot be printed
            ("image", 1),  # the empty list: none was sent
            ("label", 1),  # true, as 5 and 1.5 are no verdicts
        ],
    )
    def test_wrong_types(self, load: Import, write_json: Write, field: str, num_usable: int) -> None:
        wrong = [None, 5, 1.5, True, [], ["a"], {}, {"a": [1]}, "\ud800", "x" * 100_000, "\x00", " "]
        wrong = [value for value in wrong if field != "label" or value not in (5, 1.5)]
        rows = [record(f"n{number}") | {field: value} for number, value in enumerate(wrong)]
        found = load(write_json(record("good") | ({} if field in record() else {field: "1"}), *rows))
        assert found.right["good", "v1"] is True
        assert len(found.outcomes) == 1 + num_usable
        assert found.report.rows_set_aside + found.report.report.outcomes_set_aside == len(wrong) - num_usable

    @pytest.mark.parametrize(
        ("field", "values", "expected"),
        [
            ("output", ([["a"]], [None]), ['[["a"]]', "[null]"]),
            ("output", ({"a": 1}, None), ['{"a": 1}', None]),
            ("output", (date(2024, 5, 1), None), ["2024-05-01", None]),
            ("output", (b"abc", None), ["abc", None]),
            ("output", (float("nan"), 1.5), [None, "1.5"]),
            ("ground_truth", (True, None), ["true", None]),
            ("task", (5, 6), ["5", "6"]),
            ("language", ([1], [2]), ["[1]", "[2]"]),
        ],
    )
    def test_types_in_parquet(self, load: Import, tmp_path: Path, field: str, values: tuple, expected: list) -> None:
        (tmp_path / "a.png").write_bytes(png((1, 2, 3)))
        rows = [record("one", **{field: values[0]}), record("two", **{field: values[1]})]
        found = load(write_parquet(tmp_path / "a.parquet", rows))
        assert found.column({"ground_truth": "answer"}.get(field, field)) == expected

    @pytest.mark.parametrize("field", ["question", "vlm", "image"])
    def test_columns_of_numbers(self, load: Import, tmp_path: Path, field: str) -> None:
        path = write_parquet(tmp_path / "a.parquet", [record(**{field: 5}), record(**{field: 6})])
        message = r"(?s)none to use.*2 set aside: record that cannot be used \(.*a.parquet, row 1: expected .*got 5\)"
        with pytest.raises(ArmsError, match=message):
            load(path)

    def test_words_of_another_language(self, load: Import, write_json: Write) -> None:
        path = write_json(record("a", label="richtig"), record("b", label="falsch"))
        assert load(path, right=("richtig",), wrong=("falsch",)).column("correct") == [True, False]

    def test_vlm_names(self, load: Import, write: Write) -> None:
        found = load(write(*(record(vlm=vlm) for vlm in ("good", None, "", "two\nlines", "org/good"))))
        assert found.column("vlm") == ["good", "org/good"]
        assert found.kinds == {"outcome without a VLM's name": 3, "VLM whose name is nearly another's": 1}

    def test_some_at_a_time(self, load: Import, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(collect, "_CHUNK", 3)
        monkeypatch.setattr(parquet, "_BATCH_ROWS", 3)
        rows = [record(id=f"q{number}", vlm=None if number in (3, 7) else "v1") for number in range(8)]
        found = load(write(*rows))
        assert found.column("query_id") == [f"m2/q{number}" for number in (0, 1, 2, 4, 5, 6)]
        places = [place for place, _ in found.examples("outcome without a VLM's name")]
        assert [place.rpartition(" ")[2] for place in places] == ["4", "8"]

    def test_some_images_at_a_time(self, load: Import, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(parquet, "_BATCH_OBJECTS", 2)
        images = [{"bytes": png((number, 0, 0)), "path": None} for number in range(5)]
        found = load(write_parquet(tmp_path / "a.parquet", [record(image=image) for image in images]))
        assert [found.image(query) for query in found.queries] == [image["bytes"] for image in images]


class TestFiles:
    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            ("a.jsonl", b"", "expected records, got none to use"),
            (
                "a.jsonl",
                b"broken",
                r"got none to use\n1 set aside: line that is not JSON \(.*a.jsonl, line 1: Expecting",
            ),
            ("a.jsonl", b"{}", "a.jsonl: expected a field 'image' or 'image_path', got none; say which one it is"),
            ("a.jsonl", b'{"a": 1}', "a.jsonl: expected a field 'image' or 'image_path', got 'a'; say which .*: --im"),
            (
                "a.json",
                b'[{"image": "a.png"}]',
                "a.json: expected JSON Lines, a record on each line, got one list of re",
            ),
            ("a.parquet", b"", "a.parquet: expected a Parquet file, could not read it"),
            ("a.parquet", b"PAR1 broken PAR1", "a.parquet: expected a Parquet file, could not read it"),
            ("a.csv", b"image,question", r"got none to use\n1 set aside: line that is not JSON"),
        ],
    )
    def test_without_records(self, load: Import, tmp_path: Path, name: str, content: bytes, message: str) -> None:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ArmsError, match=message):
            load(tmp_path / name)
        assert not (tmp_path / "out").exists()

    def test_in_a_folder(self, load: Import, write: Write, tmp_path: Path) -> None:
        good = write(record())
        (tmp_path / "m2/b.parquet").write_bytes(b"broken")
        (tmp_path / "m2/c.jsonl").mkdir()
        (tmp_path / "m2/d.jsonl").write_text("[{}]")
        (tmp_path / "m2/readme.md").write_text("left alone")
        (tmp_path / "m2/e.jsonl").write_text("")
        found = load(tmp_path / "m2")
        assert (found.right, found.kinds) == ({("How many?", "v1"): True}, {"file that cannot be read": 2})
        good.unlink()
        message = r"(?s)got none to use.*2 set aside: file that cannot be read \(.*b.parquet"
        with pytest.raises(ArmsError, match=message):
            load(tmp_path / "m2")

    def test_text_that_is_not_utf8(self, load: Import, tmp_path: Path) -> None:
        broken = pa.Array.from_buffers(pa.string(), 1, [*pa.array(["ab"]).buffers()[:2], pa.py_buffer(b"\xff\xfe")])
        columns = {"image": ["a.png"], "question": broken, "vlm": ["v1"], "label": [True]}
        pa.parquet.write_table(pa.table(columns), tmp_path / "a.parquet")
        with pytest.raises(ArmsError, match=r"a.parquet: expected a Parquet file, could not read it: .*UTF8"):
            load(tmp_path / "a.parquet")

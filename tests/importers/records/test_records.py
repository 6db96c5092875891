import base64
import gzip
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from arms.errors import ArmsError
from arms.importers.records.records_importer import RecordsImporter
from arms.importers.run import ImportOptions
from tests.importers.helpers import FREE, Imported, load_log
from tests.importers.logs.csv import queries, write_images, write_log, write_rows, write_wide
from tests.importers.logs.m2 import write_lines, write_parquet
from tests.importers.logs.vlmevalkit import write_json, write_sheet

Import = Callable[..., Imported]
NESTED = {"question_column": "doc.question", "answer_column": "doc.gold.text", "image_column": ("doc.image",)}


@pytest.fixture
def load(tmp_path: Path) -> Import:
    def run(*sources: Path, options: ImportOptions = FREE, **settings: Any) -> Imported:
        return load_log(tmp_path / "out", RecordsImporter(**settings), *sources, options=options)

    return run


def nested(number: int, **more: Any) -> dict[str, Any]:
    """A row whose question is in a document of its own."""
    document = {"question": f"Q{number}?", "image": f"images/{number}.png", "gold": {"text": "4"}}
    return {"query_id": number, "doc": document, "vlm": "a", "correct": 1, **more}


@pytest.mark.parametrize(
    ("write", "suffix"),
    [
        (write_rows, "csv"),
        (write_sheet, "xlsx"),
        (write_json, "json"),
        (write_lines, "jsonl"),
        (write_parquet, "parquet"),
    ],
)
def test_every_kind_of_file_gives_the_same_tables(load: Import, tmp_path: Path, write: Any, suffix: str) -> None:
    expected = load(*write_log(tmp_path))
    described = {row["query_id"]: row for row in queries()}
    rows = [{**described[row["query_id"]], **row} for row in expected.outcomes]
    found = load(write(tmp_path / f"t.{suffix}", [{**row, "correct": int(row["correct"])} for row in rows]))
    formula = "=1+1" if suffix != "xlsx" else found.queries[3]["question"]
    assert formula == "=1+1", "its own text, and no value"
    assert (found.queries, found.outcomes) == (expected.queries, expected.outcomes)


@pytest.mark.parametrize(
    ("write", "suffix"), [(write_json, "json"), (write_lines, "jsonl"), (write_parquet, "parquet")]
)
def test_paths_into_what_nests(load: Import, tmp_path: Path, write: Any, suffix: str) -> None:
    write_images(tmp_path)
    path = write(tmp_path / f"t.{suffix}", [nested(0), nested(1, vlm="b", extra=1) | {"correct": 0}])
    found = load(path, **NESTED)
    assert found.right == {("Q0?", "a"): True, ("Q1?", "b"): False}
    assert found.column("answer") == ["4", "4"]
    assert found.kinds == ({"fields that are not read": 1} if suffix != "parquet" else {})
    with pytest.raises(
        ArmsError,
        match=r"expected columns 'doc\.question', 'doc\.image', got 'doc', .* these are: --question-col",
    ):
        load(write_lines(tmp_path / "t.jsonl", [{"doc": 5, "question": "?", "vlm": "a", "correct": 1}]), **NESTED)
    plain = write_lines(
        tmp_path / "t.jsonl", [{"doc.question": "Plain?", "image": "images/0.png", "vlm": "a", "correct": 1}]
    )
    assert load(plain, question_column="doc.question").right == {("Plain?", "a"): True}, "a column may have such a name"


def test_a_sheets_cells_become_texts(load: Import, tmp_path: Path) -> None:
    write_images(tmp_path)
    row = {
        "query_id": 7,
        "question": 2024,
        "image": "images/0.png",
        "answer": date(2025, 3, 1),
        "vlm": 4,
        "correct": True,
    }
    others = [{**row, "query_id": 8, "answer": "#N/A"}, {**row, "query_id": 9, "answer": "half _xD800_"}]
    found = load(write_sheet(tmp_path / "t.xlsx", [row, *others]))
    assert [(query["query_id"], query["question"], query["answer"]) for query in found.queries] == [
        ("7", "2024", "2025-03-01"),
        ("8", "2024", None),
        ("9", "2024", "half ?"),
    ]
    assert found.right == {("2024", "4"): True}


def test_wide_json(load: Import, tmp_path: Path) -> None:
    write_images(tmp_path)
    rows = [{**row, "a": number % 2, "b": True} for number, row in enumerate(queries())]
    found = load(write_json(tmp_path / "t.json", rows), verdict=("a=a", "b=b"))
    assert len(found.outcomes) == 12
    assert sum(row["correct"] for row in found.outcomes) == 9
    assert load(write_wide(tmp_path), verdict=("x=gpt-4o ok",)).right.keys() >= {(queries()[0]["question"], "x")}


def test_folders(load: Import, tmp_path: Path) -> None:
    write_log(tmp_path / "log")
    (tmp_path / "log/outcomes.csv").rename(tmp_path / "log/caf\udce9.csv")  # no UTF-8
    (tmp_path / "log/readme.md").write_text("left alone")
    (tmp_path / "log/z.json").write_text("{")
    (tmp_path / "log/z.xlsx").write_bytes(b"PK broken")
    found = load(tmp_path / "log")
    assert len(found.outcomes) == 17
    assert found.kinds == {"file that cannot be read": 2}
    with pytest.raises(ArmsError, match=r"z\.json: expected JSON in UTF-8, could not read it"):
        load(tmp_path / "log/z.json")
    with pytest.raises(ArmsError, match=r"readme\.md: expected a file of rows \(\.csv, .*, got \.md"):
        load(tmp_path / "log/readme.md")
    (tmp_path / "log/notes.csv").write_text("a,b\n1,2\n")
    (tmp_path / "log/summary.json").write_text(json.dumps({"gpt-4o": {"accuracy": 0.5}}))
    found = load(tmp_path / "log")
    assert found.kinds == {"file that cannot be read": 2, "file without the columns of queries or outcomes": 2}
    assert len(found.outcomes) == 17
    (tmp_path / "log/queries.csv").write_text(json.dumps({}))
    with pytest.raises(ArmsError, match=r"queries\.csv: expected a header of several columns"):
        load(tmp_path / "log/queries.csv")


class TestImages:
    """Any number of images a row."""

    RECORD: ClassVar[dict[str, Any]] = {"question": "Q?", "vlm": "a", "correct": 1}

    @pytest.fixture
    def contents(self, tmp_path: Path) -> list[bytes]:
        write_images(tmp_path)
        return [(tmp_path / f"images/{number}.png").read_bytes() for number in range(3)]

    def rows(self, cells: Sequence[Any], name: str = "image") -> list[dict[str, Any]]:
        return [{**self.RECORD, "query_id": f"q{number}", name: cell} for number, cell in enumerate(cells)]

    @pytest.mark.parametrize("name", ["image", "images", "pictures"])
    def test_a_list_in_a_cell(self, load: Import, tmp_path: Path, contents: list[bytes], name: str) -> None:
        paths = [f"images/{number}.png" for number in range(3)]
        inline = {"bytes": base64.b64encode(contents[2]).decode(), "path": None}
        cells = [
            *(paths[:2], [paths[1], paths[0], paths[1]], [paths[0]], paths[0], []),
            *(json.dumps(paths), str(paths[:2]), "[]", [{"bytes": None, "path": paths[1]}, inline]),
        ]
        settings = {} if name != "pictures" else {"image_column": (name,)}
        found = load(write_lines(tmp_path / "t.jsonl", self.rows(cells, name)), **settings)
        a, b, c = contents
        expected = [[a, b], [b, a, b], [a], [a], [], [a, b, c], [a, b], [], [b, c]]
        assert [found.pictures(query) for query in found.queries] == expected
        assert found.kinds == {"query without an image": 2}

    def test_lists_of_bytes_as_hugging_face_keeps_them(
        self, load: Import, tmp_path: Path, contents: list[bytes]
    ) -> None:
        images = [{"bytes": content, "path": f"{number}.png"} for number, content in enumerate(contents)]
        lists = [images, images[:1], [], None]
        table = pa.Table.from_pylist(self.rows(lists))
        pq.write_table(table, tmp_path / "t.parquet")
        found = load(tmp_path / "t.parquet")
        assert [found.pictures(query) for query in found.queries] == [contents, contents[:1], []]
        assert found.kinds == {"query without an image": 1, "image unknown": 1, "query set aside": 1}

    @pytest.mark.parametrize("suffix", ["csv", "jsonl"])
    def test_several_columns(self, load: Import, tmp_path: Path, contents: list[bytes], suffix: str) -> None:
        names = ("image_1", "image_2", "image_3")
        numbers = [(0, 1, 2), (2, None, 0), (None, 1, None), (None, None, None)]
        rows = [
            {**row, **{name: None if at is None else f"images/{at}.png" for name, at in zip(names, of, strict=True)}}
            for row, of in zip(self.rows([None] * 4, "other"), numbers, strict=True)
        ]
        path = tmp_path / f"t.{suffix}"
        pd.DataFrame(rows).to_csv(path, index=False) if suffix == "csv" else write_lines(path, rows)
        found = load(path, image_column=names)
        expected = [[contents[at] for at in of if at is not None] for of in numbers[:3]]
        assert [found.pictures(query) for query in found.queries] == expected
        assert found.kinds["image unknown"] == 1
        turned = load(path, image_column=names[::-1])
        assert [found.pictures(query)[::-1] for query in found.queries] == [turned.pictures(q) for q in turned.queries]
        with pytest.raises(ArmsError, match=r"--image-column image_9: expected a column 'image_9', got none; .*t\."):
            load(path, image_column=(*names, "image_9"))

    def test_columns_with_lists_and_paths_into_documents(
        self, load: Import, tmp_path: Path, contents: list[bytes]
    ) -> None:
        document = {"images": ["images/1.png", "images/2.png"], "last": "images/0.png"}
        path = write_lines(tmp_path / "t.jsonl", [{**self.RECORD, "query_id": "q", "doc": document}])
        found = load(path, image_column=("doc.images", "doc.last"))
        assert found.pictures(found.queries[0]) == [contents[at] for at in (1, 2, 0)]

    def test_without_ids_a_query_is_its_images_in_their_order(
        self, load: Import, tmp_path: Path, contents: list[bytes]
    ) -> None:
        a, b = "images/0.png", "images/1.png"
        rows = [{**self.RECORD, "image": image, "vlm": vlm} for image in ([a, b], [b, a], a) for vlm in ("a", "b")]
        found = load(write_lines(tmp_path / "t.jsonl", rows))
        assert (len(found.queries), len(found.outcomes)) == (3, 6)

    def test_rows_of_a_query_with_other_images(self, load: Import, tmp_path: Path, contents: list[bytes]) -> None:
        rows = self.rows([["images/0.png", "images/1.png"], ["images/1.png", "images/0.png"]])
        rows[1] |= {"query_id": "q0", "vlm": "b"}
        found = load(write_lines(tmp_path / "t.jsonl", rows))
        assert (len(found.outcomes), found.kinds) == (1, {"image differs from that of the query's first row": 1})

    @pytest.mark.parametrize("cell", [5, [5], ["images/0.png", None], [["images/0.png"]], {"a": 1}])
    def test_cells_that_hold_something_else(
        self, load: Import, tmp_path: Path, contents: list[bytes], cell: Any
    ) -> None:
        found = load(write_lines(tmp_path / "t.jsonl", self.rows(["images/0.png", cell])))
        assert (len(found.queries), found.kinds) == (1, {"record that cannot be used": 1})

    @pytest.mark.parametrize("name", ["[a]", "images:[", "images:[]", '["a"', "images:a.png"])
    def test_a_path_that_looks_like_a_list(
        self, load: Import, tmp_path: Path, contents: list[bytes], name: str
    ) -> None:
        (tmp_path / name).write_bytes(contents[0])
        found = load(write_lines(tmp_path / "t.jsonl", self.rows([name, [name, "images/1.png"]])))
        assert [found.pictures(query) for query in found.queries] == [contents[:1], contents[:2]]

    def test_questions_only(self, load: Import, tmp_path: Path) -> None:
        """The images are not at hand, or there is not even a column of them."""
        options = replace(FREE, no_images=True)
        rows = self.rows(["gone.png", ["gone.png", "too.png"], None])
        found = load(write_lines(tmp_path / "t.jsonl", rows), options=options)
        assert [query["images"] for query in found.queries] == [()] * 3
        assert found.kinds == {"query without an image": 3}
        assert found.report.to_dict()["images"] == {"left_out": True}
        assert found.report.text().startswith("images: left out, as --no-images asks: every query is its question only")
        bare = write_lines(tmp_path / "t.jsonl", [{**self.RECORD, "vlm": vlm} for vlm in ("a", "b")])
        found = load(bare, options=options)
        assert (len(found.queries), len(found.outcomes)) == (1, 2)
        with pytest.raises(ArmsError, match="expected a column 'image' or 'images', got 'question', 'vlm', 'correct'"):
            load(bare)


def test_a_place_in_a_list(load: Import, tmp_path: Path) -> None:
    write_images(tmp_path)
    row = {"messages": [{"text": "Q?"}, {"text": "A"}], "pictures": [{"path": "images/0.png"}], "vlm": "a", "ok": [1]}
    paths = {"question_column": "messages[0].text", "output_column": "messages[1].text", "correct_column": "ok[0]"}
    for write, suffix in ((write_json, "json"), (write_lines, "jsonl"), (write_parquet, "parquet")):
        found = load(write(tmp_path / f"t.{suffix}", [row]), **paths, image_column=("pictures[0].path",))
        assert (found.right, found.column("output"), found.kinds) == ({("Q?", "a"): True}, ["A"], {})
    with pytest.raises(ArmsError, match=r"expected columns 'messages\[5\]\.text', .*--question-column"):
        load(write_lines(tmp_path / "t.jsonl", [row]), **paths | {"question_column": "messages[5].text"})


class TestRows:
    """--rows: where the table is in a document."""

    DOCUMENT: ClassVar[dict[str, Any]] = {
        "train": [{"question": "T?", "image": "images/0.png", "vlm": "a", "correct": 0}],
        "runs": [{"name": "x", "items": {"q1": {"question": "Q?", "image": "images/1.png", "vlm": "a", "correct": 1}}}],
        "model": "x",
        "test": [{"question": "E?"}],
    }

    @pytest.mark.parametrize("suffix", ["json", "json.gz"])
    def test_a_path(self, load: Import, tmp_path: Path, suffix: str) -> None:
        write_images(tmp_path)
        content = json.dumps(self.DOCUMENT).encode()
        (tmp_path / f"t.{suffix}").write_bytes(gzip.compress(content) if suffix.endswith("gz") else content)
        assert load(tmp_path / f"t.{suffix}", rows="train").right == {("T?", "a"): False}
        assert load(tmp_path / f"t.{suffix}", rows="runs[0].items", id_column="key").column("query_id") == ["q1"]

    @pytest.mark.parametrize(
        ("rows", "message"),
        [
            (None, "expected one list of records, got several: train, runs, test; .*: arms import records --rows PATH"),
            ("nowhere", "expected a table in JSON at 'nowhere', as --rows says, got nothing there; got train, runs, m"),
            ("runs[0].name", "expected a table in JSON at 'runs.0..name', as --rows says, got a string there"),
            ("runs[1]", "got nothing there"),
        ],
    )
    def test_errors(self, load: Import, tmp_path: Path, rows: str | None, message: str) -> None:
        with pytest.raises(ArmsError, match=message):
            load(write_json(tmp_path / "t.json", self.DOCUMENT), rows=rows)

    def test_without_a_document(self, load: Import, tmp_path: Path) -> None:
        with pytest.raises(ArmsError, match=r"--rows data: expected a JSON document among the files, got \.csv"):
            load(*write_log(tmp_path), rows="data")


class TestScores:
    def test_columns(self, load: Import, tmp_path: Path) -> None:
        write_images(tmp_path)
        shown = {"question": "Q?", "image": "images/0.png"}
        rows = [
            {**shown, "vlm": "a", "correct": 1, "score": 0.25, "propensity": 0.5},
            {**shown, "vlm": "b", "correct": 0, "score": "", "propensity": 1},
            {**shown, "vlm": "c", "correct": 1, "score": 25, "propensity": 0},
        ]
        found = load(write_rows(tmp_path / "t.csv", rows))
        assert found.column("correct") == [True, False, True]
        assert found.column("score") == [0.25, None, None]
        assert found.column("propensity") == [0.5, 1, None]
        assert found.kinds == {"score that is not in [0, 1]": 1, "propensity that is not in (0, 1]": 1}
        renamed = [{"s": row.pop("score"), "p": row.pop("propensity"), **row} for row in rows[:2]]
        again = load(write_rows(tmp_path / "t.csv", renamed), score_column="s", propensity_column="p")
        assert again.outcomes == found.outcomes[:2]

    @pytest.mark.parametrize("settings", [{}, {"score_column": "correct"}, {"threshold": 0.3}])
    def test_a_grade_that_is_a_share_is_the_score(self, load: Import, tmp_path: Path, settings: Any) -> None:
        write_images(tmp_path)
        shown = {"question": "Q?", "image": "images/0.png"}
        path = write_rows(
            tmp_path / "t.csv", [{**shown, "vlm": v, "correct": g} for v, g in zip("abc", (0.4, 1, ""), strict=True)]
        )
        found = load(path, **settings)
        assert found.column("score") == [0.4, 1]
        assert found.column("correct") == ["threshold" in settings, True]

    def test_columns_of_each_vlm(self, load: Import, tmp_path: Path) -> None:
        write_images(tmp_path)
        row = {"question": "Q?", "image": "images/0.png", "a": 1, "a s": 0.75, "a p": 0.5, "b": 0.25}
        wide = {"verdict": ("a=a", "b=b"), "score": ("a=a s",), "propensity": ("a=a p",)}
        found = load(write_rows(tmp_path / "t.csv", [row]), **wide)
        assert [(one["vlm"], one["score"], one["propensity"]) for one in found.outcomes] == [
            ("a", 0.75, 0.5),
            ("b", 0.25, None),
        ]

    def test_without_any_there_is_no_column(self, load: Import, tmp_path: Path) -> None:
        found = load(*write_log(tmp_path))
        assert {"score", "propensity"}.isdisjoint(found.outcomes[0])


def test_what_dynamaths_own_evaluation_writes(load: Import, tmp_path: Path) -> None:
    write_images(tmp_path)
    record = {
        "question": "What is the period?",
        "subject": "analytic geometry",
        "knowledge level": "high school",
        "Ground truth": "2.0944",
        "image": "images/0.png",
        "response": {"solution": "From the graph.", "short answer": "2.094"},
        "result": "correct",
    }
    failed = {**record, "question": "Which is larger?", "image": "images/1.png", "result": "fail"}
    path = write_json(tmp_path / "gpt-4o_report.json", {"1": record, "2": failed})
    found = load(
        path,
        **{"id_column": "key", "answer_column": "Ground truth", "task_column": "subject", "correct_column": "result"},
        output_column="response.short answer",
        vlm_from_filename="{vlm}_report.json",
    )
    assert found.right == {("What is the period?", "gpt-4o"): True, ("Which is larger?", "gpt-4o"): False}
    assert (found.column("answer")[0], found.column("task")[0]) == ("2.0944", "analytic geometry")
    assert found.column("output") == ["2.094", "2.094"]

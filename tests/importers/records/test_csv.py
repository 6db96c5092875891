import base64
import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from arms.errors import ArmsError
from arms.importers.csv_importer import CsvImporter
from arms.importers.records import collect
from tests.importers.helpers import Imported, load_log
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

OF_VLM = tuple(f"{vlm}={vlm} ok" for vlm in VLMS)
DIFFERS = "{} differs from that of the query's first row"

Import = Callable[..., Imported]
Table = Callable[..., Path]


@pytest.fixture
def load(tmp_path: Path) -> Import:
    """Imports CSV files with some settings."""
    return lambda *sources, **settings: load_log(tmp_path / "out", CsvImporter(**settings), *sources)


@pytest.fixture
def cells(tmp_path: Path) -> Table:
    """Writes a file of rows of cells, beside the images."""
    write_images(tmp_path)
    return lambda *rows, name="t.csv": write_cells(tmp_path / name, rows)


@pytest.fixture
def table(tmp_path: Path) -> Table:
    """Writes a file of outcomes of one VLM, `a`, on the six images, with some cells changed: column, row, text."""
    write_images(tmp_path)

    def write(*changes: tuple[str, int, Any], name: str = "table.csv", **dialect: Any) -> Path:
        more = {key: "" for key, _, _ in changes if key not in queries()[0]}
        written = [{**row, **more, "vlm": "a", "correct": "1"} for row in queries()]
        for key, number, text in changes:
            written[number][key] = text
        return write_rows(tmp_path / name, written, **dialect)

    return write


def of_column(name: str, texts: list[str]) -> list[tuple[str, int, str]]:
    """Changes of one column, row by row."""
    return [(name, number, text) for number, text in enumerate(texts)]


def right(found: Imported) -> dict[str, str]:
    """By VLM, its verdicts as `RIGHT` has them."""
    by_query = sorted(found.outcomes, key=lambda row: row["query_id"])
    return {vlm: "".join("01"[row["correct"]] for row in by_query if row["vlm"] == vlm) for vlm in VLMS}


class TestShapes:
    """Two files, a row for each outcome, a column for each VLM: the same tables."""

    def test_queries_and_outcomes_in_two_files(self, load: Import, tmp_path: Path) -> None:
        sources = write_log(tmp_path)
        found = load(*sources)
        assert found.column("query_id") == [f"q{number}" for number in range(6)]
        assert found.column("question") == [*QUESTIONS]
        assert found.column("answer") == [*ANSWERS[:-1], None]
        assert found.column("benchmark") == ["shapes"] * 3 + ["colours"] * 3
        assert found.column("task") == ["task 0", "task 1"] * 3
        assert found.column("language") == ["en"] * 4 + ["fr", "en"]
        assert right(found) == RIGHT
        first = [row for row in found.outcomes if row["vlm"] == "gpt-4o"]
        assert [tuple(row.values())[3:] for row in first] == [
            (f"=answer {number}", number / 1000, number + 0.5) for number in range(6)
        ]
        assert {row["output"] for row in found.outcomes if row["vlm"] == "phi-4"} == {None}
        assert found.report.verdicts == ("correct >= 1",)
        assert found.report.report.share_missing == pytest.approx({"gpt-4o": 0, "phi-4": 0, "llava-7b": 1 / 6})
        for number, row in enumerate(found.queries):
            assert found.image(row) == (tmp_path / f"images/{number}.png").read_bytes()
        again = load(*sources[::-1])
        assert (again.queries, again.outcomes, again.kinds) == (found.queries, found.outcomes, {})

    def test_every_shape_gives_the_same_tables(self, load: Import, tmp_path: Path) -> None:
        two_files = load(*write_log(tmp_path))
        long = load(write_long(tmp_path))
        assert (long.queries, long.outcomes, long.kinds) == (two_files.queries, two_files.outcomes, {})
        wide = load(write_wide(tmp_path), verdict=OF_VLM)
        assert (wide.queries, right(wide), wide.kinds) == (two_files.queries, RIGHT, {})
        assert tuple(wide.report.report.outcomes_per_vlm) == VLMS
        assert wide.report.verdicts == ("gpt-4o ok >= 1", "phi-4 ok >= 1", "llava-7b ok >= 1")
        verdicts = [[f"q{number}", *(RIGHT[vlm].ljust(6)[number] for vlm in VLMS)] for number in range(6)]
        beside = write_cells(tmp_path / "w.csv", [["query_id", *(f"{vlm} ok" for vlm in VLMS)], *verdicts])
        joined = load(tmp_path / "queries.csv", beside, verdict=OF_VLM)
        assert (joined.queries, right(joined)) == (two_files.queries, RIGHT)
        of_each = []
        for vlm in VLMS:
            marked = [{**row, "vlm": vlm, "ok": mark} for row, mark in zip(queries(), RIGHT[vlm], strict=False)]
            of_each.append(write_rows(tmp_path / f"{vlm}.csv", marked))
        each = load(*of_each, correct_column="ok")
        assert (each.queries, right(each), each.kinds) == (two_files.queries, RIGHT, {})

    def test_columns_of_outputs_costs_and_latencies(self, load: Import, cells: Table) -> None:
        path = cells(
            ["question", "image", "a", "a says", "a pays", "a takes", "b", "b says"],
            ["Q?", "images/0.png", "1", "yes", "0.5", "2", "", ""],
            ["R?", "images/1.png", "n/a", "", "", "", "0", "no"],
            ["S?", "images/2.png", "", "who knows", "", "", "1", ""],
        )
        settings = {"verdict": ("a=a", "b=b"), "output": ("a=a says", "b=b says"), "cost": ("a=a pays",)}
        found = load(path, **settings, latency=("a=a takes",))
        assert [tuple(row.values())[1:] for row in found.outcomes] == [
            ("a", True, "yes", 0.5, 2.0),
            ("b", False, "no", None, None),
            ("b", True, None, None, None),
        ]
        assert found.kinds == {"correct is neither true nor false": 1}, "an output without a verdict is reported"


class TestColumns:
    def test_other_names(self, load: Import, tmp_path: Path) -> None:
        write_images(tmp_path)
        names = {
            **{"query_id": "#", "benchmark": "set", "task": "kind", "language": "lang", "question": "prompt"},
            **{"image": "file", "answer": "gold", "vlm": "model", "correct": "score", "output": "says"},
            **{"cost_usd": "$", "latency_s": "s"},
        }
        sources = [
            write_rows(tmp_path / f"{n}.csv", [{f" {names[key]} ": cell for key, cell in row.items()} for row in part])
            for n, part in enumerate((queries(), outcomes()))
        ]
        flags = {"query_id": "id", "cost_usd": "cost", "latency_s": "latency"}
        found = load(*sources, **{f"{flags.get(held, held)}_column": column for held, column in names.items()})
        expected = load(*write_log(tmp_path))
        assert (found.queries, found.outcomes) == (expected.queries, expected.outcomes)

    @pytest.mark.parametrize(
        ("column", "settings", "expected"),
        [
            ((), {}, ("t", "t", "en", None)),
            ((), {"benchmark": "b", "language": "de"}, ("b", "b", "de", None)),
            ((), {"task": "t2"}, ("t", "t2", "en", None)),
            (("c",), {"benchmark": "b"}, ("c", "c", "en", None)),  # a column goes first
        ],
    )
    def test_what_stands_in(self, load: Import, cells: Table, column: Any, settings: Any, expected: Any) -> None:
        head = ["question", "image", "vlm", "correct", *(["benchmark"] if column else [])]
        (row,) = load(cells(head, ["Q?", "images/0.png", "a", "1", *column]), **settings).queries
        assert (row["benchmark"], row["task"], row["language"], row["answer"]) == expected

    def test_without_ids_a_query_is_its_image_and_question(self, load: Import, cells: Table) -> None:
        head = ["question", "image", "vlm", "correct"]
        one = [["Q?", "images/0.png", "a", "1"], ["R?", "images/0.png", "a", "0"], ["Q?", "images/1.png", "a", "0"]]
        other = [["Q?", "images/1.png", "b", "1"], ["Q?", "images/0.png", "b", "0"]]
        sources = [cells(head, *part, name=f"{number}.csv") for number, part in enumerate((one, other))]
        found = load(*sources)
        assert [(row["question"], row["benchmark"]) for row in found.queries] == [("Q?", "0"), ("R?", "0"), ("Q?", "0")]
        ids = found.column("query_id")
        assert ids[0] == hashlib.sha256(b'["images/0.png", "Q?"]').hexdigest()[:16]
        expected = [(0, "a", True), (1, "a", False), (2, "a", False), (2, "b", True), (0, "b", False)]
        assert [(ids.index(row["query_id"]), row["vlm"], row["correct"]) for row in found.outcomes] == expected
        assert found.kinds == {}
        assert sorted(load(*sources[::-1]).column("query_id")) == sorted(ids), "whatever comes first"
        rows = [["Q?", "images/0.png", "a", "1", name] for name in ("x", "y", "x")]
        found = load(cells([*head, "benchmark"], *rows))
        assert (found.column("benchmark"), len(found.outcomes)) == (["x", "y"], 2)

    @pytest.mark.parametrize(
        ("head", "settings", "message"),
        [
            (
                "question,vlm,correct",
                {},
                r"t\.csv: expected a column 'image' or 'images', got 'question', 'vlm', 'correct' \(split",
            ),
            ("prompt,image,vlm,correct", {}, r"column 'question', got 'prompt', .*which one it is: --question-col"),
            ("question,image,vlm", {}, "expected a column 'correct', .* say which one it is: --correct-column"),
            (
                "question,image,gpt",
                {},
                "columns 'vlm', 'correct', .* --vlm-column, --correct-column; or, where each VLM .*: --verdict",
            ),
            (
                "frage,bild,modell,urteil",
                {},
                "columns 'question', 'image' or 'images', 'vlm', 'correct', got .*; say which ones these are: "
                "--question-column, --image-column, --vlm-column, --correct-column; or, where each VLM",
            ),
            ("question,image,vlm,correct", {"answer_column": "gold"}, "a column 'gold', .* one it is: --answer-col"),
            (
                "question,image,x",
                {"verdict": ("a=x", "b=y")},
                r"^--verdict b=y: expected a column 'y', got none; .*t\.",
            ),
            ("question,image,x", {"verdict": ("a=x",), "cost": ("a=$",)}, r"^--cost a=\$: expected a column '\$', got"),
            ("question,image,x", {"verdict": ("a",)}, "^--verdict: expected VLM=COLUMN, got 'a'"),
            ("question,image,x", {"verdict": ("=x",)}, "^--verdict: expected VLM=COLUMN, got '=x'"),
            ("question,image,x", {"verdict": ("a=",)}, "^--verdict: expected VLM=COLUMN, got 'a='"),
            ("question,image,x", {"verdict": ("a=x", "a=y")}, "^--verdict: expected one column for a, got 'x' and 'y'"),
            ("question,image,x", {"output": ("a=x",)}, r"^--output a=x: expected a VLM .* verdicts; add --verdict a="),
            (
                "question,image,vlm,correct,x",
                {"verdict": ("a=x",)},
                "a column of verdicts for each VLM, got both, 'vlm'",
            ),
            ("question,image,image,vlm,correct", {}, "expected one column 'image', got 2; rename all but one"),
            (",".join(f"c{number}" for number in range(5000)), {}, "'c39' and 4960 more"),
            ("question;image", {"delimiter": "tab"}, r"split by '\\t', got 'question;image'; .*: --delimiter"),
            ("a,b", {"encoding": "hex"}, "^--encoding: expected the name of a text encoding"),
            ("question,image,vlm,correct\n\n", {}, "expected records, got none to use"),
        ],
    )
    def test_columns_that_are_not_there(
        self, load: Import, tmp_path: Path, head: str, settings: dict[str, Any], message: str
    ) -> None:
        (tmp_path / "t.csv").write_text(f"{head}\n")
        with pytest.raises(ArmsError, match=message):
            load(tmp_path / "t.csv", **settings)
        assert not (tmp_path / "out").exists()

    def test_a_column_that_is_there_twice_and_not_read(self, load: Import, table: Table) -> None:
        frame = pd.read_csv(table(), dtype="str", keep_default_na=False)
        frame.insert(0, "note", "x")
        frame.insert(0, "note", "y", allow_duplicates=True)
        frame.to_csv(path := table(), index=False)
        found = load(path)
        assert len(found.queries) == 6
        assert found.examples("fields that are not read")[0][1] == "note, note"

    def test_files_that_do_not_go_together(self, load: Import, tmp_path: Path) -> None:
        sources = write_log(tmp_path)
        other = write_cells(tmp_path / "other.csv", [["a", "b"], ["1", "2"]])
        with pytest.raises(
            ArmsError, match=r"other\.csv: expected columns of queries .* or of outcomes .*, got 'a', 'b"
        ):
            load(*sources, other)
        other = write_cells(tmp_path / "other.csv", [["vlm", "correct"], ["a", "1"]])
        with pytest.raises(ArmsError, match=r"other\.csv: expected a column 'query_id', got 'vlm', 'corr.*--id-column"):
            load(*sources, other)
        with pytest.raises(ArmsError, match=r"outcomes\.csv: expected columns 'question', 'image' or 'images', got"):
            load(sources[1])


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ('{"question": "Q?", "image": "0.png"}\n{"question": "R?", "image": "1.png"}\n', "JSON Lines"),
        ('{"question": "Q?", "image": "0.png"}\r\n', "JSON Lines"),
        ('\ufeff[{"question": "Q?"}]', "JSON"),
        ('{\n  "question": ["Q?"]\n}', "JSON"),
        ("[[1, 2]]", "JSON"),
    ],
)
def test_json_handed_to_csv(load: Import, tmp_path: Path, content: str, kind: str) -> None:
    (tmp_path / "t.csv").write_text(content * (1 if kind == "JSON" else 500), encoding="utf-8")
    with pytest.raises(ArmsError) as caught:
        load(tmp_path / "t.csv")
    assert str(caught.value) == (
        f"{tmp_path}/t.csv: expected CSV or TSV, got {kind}; import it with: arms import records"
    )


class TestCells:
    @pytest.mark.parametrize(
        ("texts", "settings", "expected"),
        [
            (["True", "false", "1", "0", "yes", "WRONG"], {}, "101010"),
            (["1.0", "0.0", " correct ", "incorrect", "Y", "n"], {}, "101010"),
            (["0.4", "0.5", "0.6", "0", "1", "0.49"], {}, "011010"),
            (["3", "4", "5", "1", "2", "4.5"], {"threshold": 4}, "011001"),
            (["3", "4", "5", "1", "2", "4.5"], {"threshold": 3, "lower_is_better": True}, "100110"),
        ],
    )
    def test_what_is_correct(self, load: Import, table: Table, texts: Any, settings: Any, expected: str) -> None:
        found = load(table(*of_column("correct", texts)), **settings)
        assert "".join("01"[row["correct"]] for row in found.outcomes) == expected

    def test_words_of_another_language(self, load: Import, table: Table) -> None:
        path = table(*of_column("correct", ["richtig", "falsch", " Ja ", "nein", "RICHTIG", "weiß nicht"]))
        words = {"right": ("richtig", "ja"), "wrong": ("Falsch", "nein")}
        found = load(path, **words)
        assert "".join("01"[row["correct"]] for row in found.outcomes) == "10101"
        assert found.examples("value that is not a grade") == [("table.csv, row 7", "'weiß nicht'")]
        with pytest.raises(ArmsError, match=r"say what its words mean: --right WORD, --wrong WORD; it is taken as unk"):
            load(path)
        found = load(
            table(*of_column("correct", ["pass", "miss", "y", "n", "1", "0"])), wrong=("pass",), right=("miss",)
        )
        assert "".join("01"[row["correct"]] for row in found.outcomes) == "011010", "the user's words go first"
        with pytest.raises(ArmsError, match=r"^--right and --wrong: expected each word for one of them, got 'ja'"):
            load(path, right=("Ja",), wrong=("ja ",))

    def test_decimal_commas(self, load: Import, table: Table) -> None:
        path = table(
            *of_column("correct", ["0,4", "0,5", " 1,0 ", "0", "1", "0.75"]),
            *of_column("cost_usd", ["0,002", ",5", "1", "1.234,5", "", "2"]),
        )
        found = load(path, decimal_comma=True)
        assert "".join("01"[row["correct"]] for row in found.outcomes) == "011011"
        assert found.column("cost_usd") == [0.002, 0.5, 1.0, None, None, 2.0]
        assert found.examples("cost that is not an amount") == [("table.csv, row 5", "'1.234,5'")]
        found = load(path)
        advice = {one.kind: one.advice for one in found.report.report.findings}
        for kind in ("value that is not a grade", "cost that is not an amount"):
            assert ", or if a comma opens the decimals: --decimal-comma; it is taken as unknown" in advice[kind]
        found = load(table(("cost_usd", 0, "dear")))
        assert (
            "comma" not in {one.kind: one.advice for one in found.report.report.findings}["cost that is not an amount"]
        )

    def test_grades_that_need_a_rule(self, load: Import, table: Table) -> None:
        with pytest.raises(
            ArmsError, match=r"metric correct: expected 0 and 1, .* got grades from 1 to 7; .*--threshol"
        ):
            load(table(("correct", 0, "7")))
        path = table()
        path.write_text(path.read_text(encoding="utf-8").replace(",correct", ",cer", 1), encoding="utf-8")
        with pytest.raises(ArmsError, match=r"metric cer: expected one where more is better, .* say --lower-is-better"):
            load(path, correct_column="cer")

    def test_grades_and_amounts_that_are_none(self, load: Import, table: Table) -> None:
        grades = of_column("correct", ["1", "85%", "maybe", ""])
        found = load(
            table(*grades, *of_column("cost_usd", ["1e-3", "", "", "", "1,234.5", "-1"]), ("latency_s", 5, "1_0"))
        )
        assert [(row["query_id"], row["cost_usd"]) for row in found.outcomes] == [
            ("q0", 0.001),
            ("q4", None),
            ("q5", None),
        ]
        assert found.kinds == {
            "value that is not a grade": 2,
            "cost that is not an amount": 2,
            "latency that is not an amount": 1,
            "correct is neither true nor false": 3,
            "query without outcome": 3,
        }
        assert found.examples("value that is not a grade") == [("table.csv, row 3", "'85%'")]
        assert found.examples("cost that is not an amount") == [("table.csv, row 6", "'1,234.5'")]

    @pytest.mark.parametrize(
        ("name", "texts"),
        [
            ("question", ["=HYPERLINK(1)", "007", "1.0", "2024-01-01", "null", "a\0b"]),
            ("query_id", ["NA", "nan", "1", "01", "1.0", "True"]),
        ],
    )
    def test_they_are_plain_texts(self, load: Import, table: Table, name: str, texts: list[str]) -> None:
        assert load(table(*of_column(name, texts))).column(name) == texts

    def test_images(self, load: Import, table: Table, tmp_path: Path) -> None:
        """In files, in the cells themselves, and not there."""
        content = (tmp_path / "images/0.png").read_bytes()
        uri = f"data:image/png;base64,{base64.b64encode(content).decode()}"
        (tmp_path / "images/1.png").write_text("no image")
        (tmp_path.parent / "secret.png").write_bytes(content)
        found = load(
            table(("image", 0, uri), ("image", 2, "../secret.png"), ("image", 3, "/etc/passwd"), ("image", 4, "no"))
        )
        assert found.column("query_id") == ["q0", "q5"]
        assert found.image(found.queries[0]) == content
        assert found.kinds == {
            "missing image file": 1,
            "unreadable image": 1,
            "image path with '..'": 1,
            "image outside the roots": 1,
            "query set aside": 4,
        }
        assert (found.report.images_found, found.report.images_lost) == (2, 4)
        assert load(table(("image", 0, uri[:-5]))).kinds == {"unreadable image": 2, "query set aside": 2}


class TestRows:
    def test_they_disagree_on_their_query(self, load: Import, tmp_path: Path) -> None:
        write_images(tmp_path)
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
        found = load(path)
        (row,) = found.queries
        assert (row["answer"], row["question"], row["task"]) == ("moon", QUESTIONS[0], "task 0")
        assert found.column("vlm") == ["a", "c"]
        assert found.kinds == {DIFFERS.format(name): n for name, n in (("benchmark", 1), ("image", 2), ("answer", 2))}
        assert found.report.rows_set_aside == 5
        assert found.examples(DIFFERS.format("image"))[0] == (
            "t.csv, row 3",
            "'images/1.png', 'images/0.png' in the first",
        )
        found = load(
            write_rows(path, [{**base, **change} for change in changes if change.get("vlm") not in ("c", "f")])
        )
        assert (found.queries[0]["answer"], found.column("vlm")) == ("star", ["a", "d", "g"])
        names = ("benchmark", "image", "question", "task", "language")
        assert found.kinds == {DIFFERS.format(name): 1 for name in names}
        assert found.report.rows_set_aside == 2

    def test_they_repeat(self, load: Import, tmp_path: Path) -> None:
        write_images(tmp_path)
        asked = partial(write_rows, tmp_path / "q.csv")
        judged = partial(write_rows, tmp_path / "o.csv")
        found = load(asked([*queries(), queries()[2]]), judged(outcomes()))
        assert (len(found.queries), found.kinds) == (6, {"repeated row": 1})
        assert found.examples("repeated row")[0][0] == "q.csv, row 8"
        found = load(asked(queries()), judged([*outcomes(), outcomes()[0], {**outcomes()[1], "correct": "False"}]))
        assert len(found.outcomes) == 16
        kinds = {"repeated row for one query_id and vlm": 1, "conflicting rows for one query_id and vlm": 2}
        assert found.kinds == kinds

    def test_they_lack_what_they_need(self, load: Import, table: Table) -> None:
        changes = [
            ("query_id", 0, " "),
            ("vlm", 1, ""),
            ("vlm", 2, "bad\tname"),
            ("question", 3, ""),
            ("image", 4, "\t"),
        ]
        found = load(table(*changes))
        assert found.column("query_id") == ["q3", "q5"]
        assert found.column("question") == ["", queries()[5]["question"]], "a picture may be all that is sent"
        assert found.kinds == {
            "row without a query id": 1,
            "outcome without a VLM's name": 2,
            "query without words": 1,
            "image unknown": 1,
            "query without outcome": 2,
            "query set aside": 1,
        }
        assert found.examples("row without a query id")[0][0] == "table.csv, row 2"
        only_described = load(table(("vlm", 1, ""), ("correct", 1, "")))
        assert only_described.kinds == {"query without outcome": 1}

    def test_outcomes_and_queries_without_each_other(self, load: Import, tmp_path: Path) -> None:
        sources = write_log(tmp_path)
        write_rows(sources[0], queries()[1:])
        write_rows(sources[1], [row for row in outcomes() if row["query_id"] != "q5"])
        found = load(*sources)
        assert found.column("query_id") == ["q1", "q2", "q3", "q4"]
        assert found.kinds == {"query without outcome": 1, "outcome without query": 3}

    def test_their_numbers(self, load: Import, table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
        """Those of another length count, blank lines do not, however many rows are held at a time."""
        monkeypatch.setattr(collect, "_CHUNK", 3)
        path = table(("cost_usd", 4, "much"), ("question", 1, "One line?"), lineterminator="\n")
        head, first, *lines = path.read_text(encoding="utf-8").splitlines()
        path.write_text("\n".join(["", head, "a,b", first, "", *lines, "end"]), encoding="utf-8")
        found = load(path)
        assert len(found.queries) == 6
        assert found.kinds == {"row with another number of cells than the header": 2, "cost that is not an amount": 1}
        assert found.examples("cost that is not an amount")[0][0] == "table.csv, row 7"
        places = pd.read_parquet(path.parent / "out/set_aside/source.parquet")["where"]
        assert places.tolist() == [f"{path}, row {number}" for number in (2, 9)]

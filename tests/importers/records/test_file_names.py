import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from arms.errors import ArmsError
from arms.importers.csv_importer import CsvImporter
from arms.importers.records.file_names import VlmPattern
from arms.importers.records.records_importer import RecordsImporter
from tests.importers.helpers import Imported, load_log
from tests.importers.logs.csv import queries, write_images, write_rows
from tests.importers.logs.vlmevalkit import write_json

Import = Callable[..., Imported]


@pytest.mark.parametrize(
    ("pattern", "path", "vlm"),
    [
        ("{vlm}_results.json", "out/gpt-4o_results.json", "gpt-4o"),
        ("{vlm}_results.json", "out/gpt-4o_results.csv", None),
        ("{vlm}_results.json", "out/_results.json", None),
        ("results_{vlm}.jsonl.gz", "results_phi.4.jsonl.gz", "phi.4"),
        ("*_{vlm}.csv", "2024-05_gpt-4o.csv", "gpt-4o"),
        ("{vlm}/*.json", "out/gpt-4o/answers.json", "gpt-4o"),
        ("{vlm}/*.json", "out/gpt-4o/deep/answers.json", "deep"),
        ("eval/{vlm}/answers.json", "out/gpt-4o/answers.json", None),
        ("./{vlm}.json", "gpt-4o.json", "gpt-4o"),
        ("{vlm}.json", "gpt-4oXjson", None),
    ],
)
def test_the_vlm_in_a_name(pattern: str, path: str, vlm: str | None) -> None:
    assert VlmPattern(pattern).find(Path(path)) == vlm


@pytest.mark.parametrize("pattern", ["", "results.json", "{vlm}/{vlm}.json", "{model}.json", "{vlm}_{task}.json"])
def test_a_pattern_that_names_no_vlm(pattern: str) -> None:
    with pytest.raises(ArmsError, match=r"^--vlm-from-filename: expected a pattern with \{vlm\} in it, once, got"):
        VlmPattern(pattern)


def answers(right: str) -> list[dict[str, Any]]:
    """A file of one VLM, which says nothing of whose it is."""
    return [{"query_id": row["query_id"], "correct": mark} for row, mark in zip(queries(), right, strict=True)]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Questions in one file, and the outcomes of each VLM in a file of its own."""
    write_images(tmp_path)
    write_rows(tmp_path / "queries.csv", queries())
    (tmp_path / "runs").mkdir()
    write_rows(tmp_path / "runs/gpt-4o_run.csv", answers("110011"))
    write_rows(tmp_path / "runs/phi-4_run.csv", answers("101010"))
    return tmp_path


def by_vlm(found: Imported) -> dict[str, str]:
    rows = sorted(found.outcomes, key=lambda row: row["query_id"])
    vlms = dict.fromkeys(row["vlm"] for row in rows)
    return {vlm: "".join("01"[row["correct"]] for row in rows if row["vlm"] == vlm) for vlm in sorted(vlms)}


EXPECTED = {"gpt-4o": "110011", "phi-4": "101010"}


def test_csv(log: Path) -> None:
    importer = CsvImporter(vlm_from_filename="{vlm}_run.csv")
    found = load_log(log / "out", importer, log / "queries.csv", *sorted((log / "runs").iterdir()))
    assert (by_vlm(found), found.kinds) == (EXPECTED, {})


def test_a_folder_of_json_documents(log: Path) -> None:
    """As MM-Vet and MathVista write them: records by the question's id, packed or not, beside a summary."""
    for path in (log / "runs").iterdir():
        path.unlink()
    gpt, phi = (
        {row["query_id"]: {"correct": row["correct"]} for row in answers(EXPECTED[vlm])} for vlm in ("gpt-4o", "phi-4")
    )
    (log / "runs/gpt-4o_run.json.gz").write_bytes(gzip.compress(json.dumps(gpt).encode()))
    write_json(log / "runs/phi-4_run.json", phi)
    write_json(log / "runs/summary.json", {"phi-4": {"accuracy": 0.5}, "gpt-4o": {"accuracy": 0.7}})
    rows = [{**row, "key": row["query_id"]} for row in queries()]
    for row in rows:
        del row["query_id"]
    write_json(log / "queries.json", rows)
    importer = RecordsImporter(id_column="key", vlm_from_filename="{vlm}_run.*")
    found = load_log(log / "out", importer, log / "queries.json", log / "runs")
    assert (by_vlm(found), found.kinds) == (EXPECTED, {"file without the columns of queries or outcomes": 1})


def test_files_that_also_have_a_column_of_vlms(log: Path) -> None:
    path = write_rows(log / "runs/a_run.csv", [{**row, "vlm": "b"} for row in answers("111111")])
    with pytest.raises(ArmsError, match=r"a_run\.csv: expected its VLM in its name, .*, or in the column 'vlm', got b"):
        load_log(log / "out", CsvImporter(vlm_from_filename="{vlm}_run.csv"), log / "queries.csv", path)


def test_without_a_pattern_the_flag_is_named(log: Path) -> None:
    with pytest.raises(ArmsError, match=r"expected a column 'vlm', .*: --vlm-from-filename '\{vlm\}_results\.json'"):
        load_log(log / "out", CsvImporter(), log / "queries.csv", log / "runs/phi-4_run.csv")

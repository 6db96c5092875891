from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from arms.errors import ArmsError
from arms.importers.mmr_bench_importer import MmrBenchImporter
from arms.importers.run import ImportOptions
from tests.importers.helpers import FREE, Imported, load_log
from tests.importers.logs.csv import RIGHT, VLMS, write_rows
from tests.importers.logs.m2 import png, write_parquet
from tests.importers.logs.mmr_bench import IDS, rows, write_log

Import = Callable[..., Imported]


@pytest.fixture
def load(tmp_path: Path) -> Import:
    def run(*sources: Path, options: ImportOptions = FREE, **settings: Any) -> Imported:
        return load_log(tmp_path / "out", MmrBenchImporter(**settings), *sources, options=options)

    return run


def test_log(load: Import, tmp_path: Path) -> None:
    found = load(*write_log(tmp_path))
    assert found.queries[0] == {
        **{"query_id": "MathVista_1", "benchmark": "MathVista", "task": "geometry", "language": "en"},
        **{"question": "Which of these, 0?", "answer": "A", "images": found.queries[0]["images"]},
    }
    assert found.column("query_id") == [*IDS]
    assert found.column("benchmark") == ["MathVista"] * 3 + ["SEEDBench2_Plus"] * 3
    assert [found.image(query) for query in found.queries] == [png((number, 60, 90)) for number in range(6)]
    right = {vlm: "".join(str(int(row["correct"])) for row in found.outcomes if row["vlm"] == vlm) for vlm in VLMS}
    assert right == RIGHT
    outcomes = {(row["query_id"], row["vlm"]): row for row in found.outcomes}
    assert outcomes["MathVista_2", "gpt-4o"]["cost_usd"] == pytest.approx(0.004)
    assert outcomes["MathVista_2", "gpt-4o"]["output"] == "B, says gpt-4o"
    assert outcomes["MathVista_2", "phi-4"]["cost_usd"] is None, "0 on every question is nothing known"
    assert ("SEEDBench2_Plus_2", "llava-7b") not in outcomes, "it was not asked"
    assert found.report.verdicts == ("correct >= 1",)
    assert found.kinds == {"counts of tokens, not read": 1, "VLM whose costs are all 0": 2, "costs taken as USD": 1}
    assert found.examples("costs taken as USD") == [("<vlm>_cost", "the mean is 0.007 USD")]


@pytest.mark.parametrize("suffix", ["csv", "parquet", "xlsx"])
def test_a_folder_and_other_kinds_of_files(load: Import, tmp_path: Path, suffix: str) -> None:
    from tests.importers.logs.vlmevalkit import write_sheet

    expected = load(*write_log(tmp_path))
    write = {"csv": write_rows, "parquet": write_parquet, "xlsx": write_sheet}[suffix]
    cells = [{name: cell if cell != "" else None for name, cell in row.items()} for row in rows()]
    (tmp_path / "mmr/MMR_Bench.csv").unlink()
    write(tmp_path / f"mmr/table.{suffix}", cells)
    write_rows(tmp_path / "mmr/summary.csv", [{"model": "a", "accuracy": 0.5}])
    found = load(tmp_path / "mmr")
    assert (found.queries, found.right) == (expected.queries, expected.right)
    assert found.kinds["file of another form"] == 1


def test_settings(load: Import, tmp_path: Path) -> None:
    (path,) = write_log(tmp_path)
    (tmp_path / "mmr/MathVista").rename(tmp_path / "mmr/vista")
    found = load(path, folder=("MathVista=vista",), cost_factor=1e-3, task_column="nowhere", language="zh")
    assert len(found.queries) == 6
    assert found.outcomes[0]["cost_usd"] == pytest.approx(2e-6)
    assert (found.queries[0]["task"], found.queries[0]["language"]) == ("MathVista", "zh")
    assert "fields that are not read" in found.kinds, "category"


def test_a_path_goes_before_the_id(load: Import, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own/7.png").write_bytes(png((9, 9, 9)))
    row = {"dataset_idx": "toy_0", "question": "Q?", "img_path": "own/7.png", "a_correct": 1.0, "a_cost": 0.5}
    found = load(write_rows(tmp_path / "toy.csv", [row]))
    assert found.image(found.queries[0]) == png((9, 9, 9))


def test_rows_that_cannot_be_used(load: Import, tmp_path: Path) -> None:
    (path,) = write_log(tmp_path)
    table = rows()
    table[0]["dataset_idx"] = "nothing"
    table[1]["gpt-4o_correct"], table[1]["gpt-4o_cost"] = "maybe", "much"
    (tmp_path / "mmr/MathVista/10.jpg").unlink()
    found = load(write_rows(path, table))
    assert found.column("query_id") == ["MathVista_2", *IDS[3:]]
    expected = {
        "row without a dataset_idx": 1,
        "value that is not a grade": 1,
        "cost that is not an amount": 1,
        "missing image file": 1,
        "query set aside": 3,
        "correct is neither true nor false": 1,
    }
    assert found.kinds.items() >= expected.items()
    assert found.examples("row without a dataset_idx") == [("MMR_Bench.csv, row 2", "nothing")]


def test_without_images(load: Import, tmp_path: Path) -> None:
    (path,) = write_log(tmp_path)
    (tmp_path / "alone").mkdir()
    moved = path.rename(tmp_path / "alone/MMR_Bench.csv")
    found = load(moved, options=ImportOptions(access="free", no_images=True))
    assert (len(found.queries), found.queries[0]["images"]) == (6, ())


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"question": "Q?", "a_correct": 1}, r"expected a column dataset_idx, got .*; a table without ids .* records"),
        ({"dataset_idx": "t_0", "a_correct": 1}, "expected a column question, got dataset_idx, a_correct"),
        ({"dataset_idx": "t_0", "question": "Q?"}, "expected a column <vlm>_correct, got dataset_idx, question"),
    ],
)
def test_columns_that_are_missing(load: Import, tmp_path: Path, columns: dict[str, Any], message: str) -> None:
    path = write_rows(tmp_path / "t.csv", [columns])
    with pytest.raises(ArmsError, match=message):
        load(path)
    with pytest.raises(ArmsError, match=f"{tmp_path}: expected a table with the columns dataset_idx and question"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"folder": ("MathVista",)}, "--folder: expected BENCHMARK=FOLDER, got 'MathVista'"),
        ({"cost_factor": 0.0}, "--cost-factor: expected a number above 0, got 0.0"),
    ],
)
def test_settings_that_are_wrong(load: Import, tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ArmsError, match=message):
        load(*write_log(tmp_path), **settings)

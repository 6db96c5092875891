import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from arms.errors import ArmsError
from arms.importers.dynamath_importer import DynaMathImporter
from tests.importers.helpers import FREE, Imported
from tests.importers.logs.dynamath import RIGHT, SEEDS, SUBJECTS, VLMS, write_log
from tests.importers.logs.m2 import png

Load = Callable[..., Imported]
RESULTS = "samples and result"


def test_log(load: Load, tmp_path: Path) -> None:
    (root,) = write_log(tmp_path)
    found = load(DynaMathImporter(), root)
    assert found.queries[1] == {
        **{"query_id": "dynamath/2/1", "benchmark": "dynamath", "task": "statistics", "language": "en"},
        **{"question": "What is 2 + 1?", "answer": "3", "group": "dynamath/2", "images": found.queries[1]["images"]},
    }
    keys = [(seed, variant) for variant in (1, 2) for seed in SEEDS]
    assert found.column("query_id") == [f"dynamath/{seed}/{variant}" for seed, variant in keys]
    assert found.column("task") == [SUBJECTS[seed] for seed, _ in keys]
    assert [found.image(query) for query in found.queries] == [png((variant, seed, 9)) for seed, variant in keys]
    right = {(row["query_id"], row["vlm"]): row["correct"] for row in found.outcomes}
    assert right == {
        (f"dynamath/{seed}/{variant}", vlm): RIGHT[vlm][SEEDS.index(seed)][variant - 1] == "1"
        for seed, variant in keys
        for vlm in VLMS
    }
    assert (found.report.verdicts, found.kinds) == (("result >= 1",), {})
    again = load(DynaMathImporter(), root / RESULTS)
    assert (again.queries, again.outcomes) == (found.queries, found.outcomes), "the folder itself will do"


def test_what_cannot_be_used(load: Load, tmp_path: Path) -> None:
    (root,) = write_log(tmp_path)
    results = root / RESULTS
    (results / "10trials/trial2/dataset.json").unlink()
    trial = results / "10trials/trial1/dataset.json"
    trial.write_text(json.dumps({**json.loads(trial.read_text()), "x": {}, "13": 5}))
    gpt = results / "GPT4o-result.csv"
    gpt.write_text(gpt.read_text().replace("Q2,correct,", "Q2,sort of,").replace("Q12,", "?,"))
    (results / "Qwen2-7B-result.csv").write_text("model,score\na,1\n")
    found = load(DynaMathImporter(), root)
    assert found.column("query_id") == ["dynamath/1/1", "dynamath/2/1", "dynamath/12/1"]
    assert found.kinds == {
        "record that is no question": 2,
        "value that is not a grade": 1,
        "row without a seed": 1,
        "verdict without its question": 5,
        "file that cannot be read": 1,
        "correct is neither true nor false": 1,
    }
    assert found.examples("verdict without its question")[0] == ("GPT4o-result.csv, row 2", "Q1, variant 2")
    assert found.report.rows_set_aside == 9
    with pytest.raises(ArmsError, match="expected every row to be usable"):
        load(DynaMathImporter(), root, options=replace(FREE, strict=True))


def test_without_images(load: Load, tmp_path: Path) -> None:
    (root,) = write_log(tmp_path)
    for path in root.rglob("*.png"):
        path.unlink()
    found = load(DynaMathImporter(), root, options=replace(FREE, no_images=True))
    assert [query["images"] for query in found.queries] == [()] * 6


@pytest.mark.parametrize("part", ["10trials", "*-result.csv"])
def test_a_clone_without_a_part(load: Load, tmp_path: Path, part: str) -> None:
    (root,) = write_log(tmp_path)
    for path in (root / RESULTS).glob(part):
        path.rename(tmp_path / path.name)
    with pytest.raises(ArmsError, match=f"{root}: expected a clone of .*, with trial1/dataset.json and so on"):
        load(DynaMathImporter(), root)


def test_several_sources(load: Load, tmp_path: Path) -> None:
    (root,) = write_log(tmp_path)
    with pytest.raises(ArmsError, match="expected one source, a clone of"):
        load(DynaMathImporter(), root, root)

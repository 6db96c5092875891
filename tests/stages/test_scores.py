"""Which score tables are judged: exactly those that the pipeline wrote."""

import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from arms.data.scores import Scores, write_scores
from arms.errors import ArmsError
from stages import scores as module
from stages.scores import read_arms, read_routers

TABLES = {
    "plain": ["plain-base"],
    "incremental": ["incremental-base", "incremental-extended"],
    "independent": ["independent-extended"],
    "arms": ["arms-base", "arms-extended"],
    "baselines": ["knn-base", "knn-extended", "oracle-base", "oracle-extended"],
}
PREPARED = SimpleNamespace(new=("c",), probabilities=None)


def write(file, value, router=None, pool=None):
    name = file.stem.rpartition("-")
    confidence = np.full((1, 1), value, dtype=np.float32)
    write_scores(Scores(router or name[0], pool or name[2], ("q",), ("a",), confidence, {"name": "argmax"}), file)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SCORES", tmp_path)
    for name, tables in TABLES.items():
        for table in tables:
            write(tmp_path / name / f"{table}.parquet", 0.5)
    (tmp_path / ".gitignore").write_text("")
    (tmp_path / "seeds").mkdir()
    return tmp_path


def read():
    return read_routers("independent", PREPARED, ["knn"])


def test_the_tables_that_the_settings_name(folder):
    routers = read()
    assert {name: sorted(of) for name, of in routers.items()} == {
        "plain": ["base", "extended"],
        "incremental": ["base", "extended"],
        "independent": ["extended"],
        "arms": ["base", "extended"],
        "knn": ["base", "extended"],
        "oracle": ["base", "extended"],
    }
    assert routers["plain"]["extended"] is routers["independent"]["extended"]


def test_without_new_vlms_every_net_has_both_pools(folder):
    write(folder / "independent/independent-base.parquet", 0.5)
    assert sorted(read_arms(SimpleNamespace(new=()))["independent"]) == ["base", "extended"]


@pytest.mark.parametrize(
    "name", ["arms/arms-old.parquet", "arms/backup", "arms-backup", "baselines/linear-base.parquet"]
)
def test_what_no_stage_wrote_is_refused_by_name(folder, name):
    shutil.copytree(folder / "arms", folder / name)
    with pytest.raises(ArmsError, match=rf"{name}: expected only what the pipeline wrote there, .*; move it out"):
        read()


@pytest.mark.parametrize(("name", "stage"), [("plain/plain-base", "train"), ("baselines/knn-base", "baselines")])
def test_a_missing_table_is_named_with_its_stage(folder, name, stage):
    (folder / f"{name}.parquet").unlink()
    with pytest.raises(ArmsError, match=rf"{name}\.parquet: expected the scores of .*; run: dvc repro {stage}"):
        read()


def test_tables_that_changed_places_are_named(folder):
    write(folder / "arms/arms-base.parquet", 0.1, pool="extended")
    with pytest.raises(ArmsError, match=r"arms-base\.parquet: expected .* arms on the base pool, got those of arms"):
        read()

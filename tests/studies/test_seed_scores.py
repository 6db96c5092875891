"""The scores of ARMS by seed, and comparing it with a study's variants."""

import numpy as np
import pytest

from arms.data.scores import Scores
from arms.errors import ArmsError
from studies import seed_scores
from studies.seed_scores import read_phi_scores, read_seed_runs, write_seed_scores
from studies.study_claims import pack, unpack


def table(router, pool, value):
    return Scores(router, pool, ("q1",), ("a",), np.full((1, 1), value, dtype=np.float32), {"name": "argmax"})


def tables(value):
    panels = (
        ("plain", "base"), ("incremental", "base"), ("incremental", "extended"), ("independent", "extended"),
        ("arms", "base"), ("arms", "extended"),
    )  # fmt: skip
    return [table(router, pool, value + place / 10) for place, (router, pool) in enumerate(panels)]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(seed_scores, "FOLDER", tmp_path / "seeds")
    return tmp_path / "seeds"


def test_every_seed_has_the_routers_of_the_pipeline(folder):
    write_seed_scores({2: tables(0.0), 10: tables(0.5)})
    assert {seed: float(of.confidence[0, 0]) for seed, of in read_phi_scores().items()} == {2: 0.0, 10: 0.5}
    seeds, runs = read_seed_runs("independent")
    assert seeds == [2, 10], "as numbers, not as names"
    assert {name: [sorted(run) for run in of] for name, of in runs.items()} == {
        "plain": [["base", "extended"]] * 2,
        "incremental": [["base", "extended"]] * 2,
        "arms": [["base", "extended"]] * 2,
    }
    for router, values in (("plain", [0.3, 0.8]), ("arms", [0.5, 1.0])):
        assert [float(run["extended"].confidence[0, 0]) for run in runs[router]] == pytest.approx(values)


def test_the_chosen_strategy_is_not_there_twice(folder):
    write_seed_scores({1: tables(0.0)})
    _, runs = read_seed_runs("incremental")
    assert {name: [sorted(run) for run in of] for name, of in runs.items()} == {
        "plain": [["base", "extended"]],
        "incremental": [["base"]],
        "independent": [["extended"]],
        "arms": [["base", "extended"]],
    }


def test_without_scores_it_says_what_to_run(folder):
    with pytest.raises(ArmsError, match=r"expected <seed>-base\.parquet, found none; run: dvc repro studies/dvc\.yaml"):
        read_phi_scores()


def test_tables_that_are_not_what_their_name_says_are_refused(folder):
    write_seed_scores({1: tables(0.0)})
    (folder / "plain/1-base.parquet").write_bytes((folder / "arms/1-base.parquet").read_bytes())
    with pytest.raises(ArmsError, match=r"1-base\.parquet: expected the scores of plain on the base pool, got"):
        read_phi_scores()
    (folder / "plain/1-base.parquet").rename(folder / "plain/backup-base.parquet")
    with pytest.raises(ArmsError, match=r"backup-base\.parquet: expected a table named <seed>-<pool>\.parquet; move"):
        read_phi_scores()


@pytest.mark.parametrize("count", [0, 1, 8, 13])
def test_what_was_right_comes_back(count):
    correct = np.random.default_rng(count).random(count) < 0.5
    np.testing.assert_array_equal(unpack(pack(correct), count, "here"), correct)


def test_other_queries_are_noticed():
    with pytest.raises(ArmsError, match=r"ablation/full\.json: expected what was right on 40 queries, got some 16"):
        unpack(pack(np.ones(13)), 40, "ablation/full.json")

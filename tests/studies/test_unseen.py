"""Folds that leave a kind of queries out, and the study on made-up queries."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from arms.errors import ArmsError
from arms.features.dataset import Dataset, Embedder
from arms.features.store import FeatureStore
from arms.params.section import read_section
from stages.workspace import Workspace
from studies import unseen
from studies.folds import by_column, leave_out, scene_folds
from studies.settings import PARAMS, StudyParams, UnseenParams
from tests.cached import ROOT, make_prepared, tiny_params, write_features
from tests.fakes import CPU, make_encoders, watch_progress

QUERIES = pd.DataFrame(
    {
        "task": ["a", "a", "b", "b", "c", None],
        "benchmark": ["x", "x", "y", "y", "y", "y"],
    }
)
SCENES = np.array([0, 1, 2, 0, 3, 4])


def folds(least=1, usable=range(6), columns=("task", "benchmark")):
    found = leave_out(QUERIES, SCENES, columns, least=least, usable=usable)
    return {next(iter(fold.kinds.items())): fold for fold in found}


def test_a_fold_leaves_out_its_kind_and_what_shares_a_scene_with_it():
    fold = folds()["task", "a"]
    assert fold.test.tolist() == [0, 1]
    assert fold.rest.tolist() == [False, False, True, False, True, True]


def test_a_benchmark_that_is_one_task_is_one_fold_and_counts_as_both():
    found = folds()
    assert set(found) == {("task", "a"), ("task", "b"), ("task", "c"), ("task", "unknown"), ("benchmark", "y")}
    assert found["task", "a"].kinds == {"task": "a", "benchmark": "x"}
    assert by_column(list(found.values())) == {"task": [0, 1, 2, 3], "benchmark": [0, 4]}


def test_a_column_with_the_folds_of_another_one_is_not_judged_again():
    only_a = QUERIES[:2]
    same = pd.concat([only_a, only_a.assign(task="b", benchmark="y")])
    found = leave_out(same, np.arange(4), ("task", "benchmark"), least=1, usable=range(4))
    assert by_column(found) == {"task": [0, 1]}


def test_small_kinds_are_no_fold_and_neither_are_those_that_leave_too_little():
    assert set(folds(least=2)) == {("task", "a"), ("task", "b")}


def test_only_usable_queries_are_judged_but_all_of_the_kind_are_left_out():
    fold = folds(usable=[1, 2, 3, 4, 5])["task", "a"]
    assert fold.test.tolist() == [1]
    assert not fold.rest[:2].any()


class TestSceneFolds:
    def test_every_usable_query_is_left_out_once_with_its_scene(self):
        scenes = np.repeat(np.arange(10), 3)
        found = scene_folds(scenes, 4, 1, usable=range(1, 30))
        assert sorted(np.concatenate([fold.test for fold in found]).tolist()) == list(range(1, 30))
        for fold in found:
            assert not np.isin(scenes[fold.test], scenes[fold.rest]).any()
            assert len(np.unique(scenes[fold.test])) in (2, 3)

    def test_another_seed_divides_otherwise(self):
        first, again, other = (scene_folds(np.arange(50), 5, seed, usable=range(50)) for seed in (1, 1, 2))
        assert [fold.test.tolist() for fold in first] == [fold.test.tolist() for fold in again]
        assert [fold.test.tolist() for fold in first] != [fold.test.tolist() for fold in other]

    def test_fewer_scenes_than_folds(self):
        with pytest.raises(ArmsError, match="expected 3 scenes or more to divide, got 2"):
            scene_folds(np.array([0, 1, 1]), 3, 1, usable=range(3))


ROUTERS = {
    "knn": {"features": "normalised", "num_neighbours": [4], "weights": "uniform", "index": "flat"},
    "to-router": {"features": "normalised", "hidden_width": 4, "temperature": [1.0], "epochs": 1, "batch_size": 16,
                  "learning_rate": 0.01, "weight_decay": 0.0},
}  # fmt: skip


@pytest.fixture
def made_study(tmp_path, monkeypatch):
    """Two tasks of made-up queries, of which only some have all outcomes; and four routers."""
    monkeypatch.chdir(tmp_path)
    encoders = make_encoders()
    write_features(encoders, tmp_path / "features")
    stores = [
        FeatureStore(tmp_path / "features" / f"{name}.zarr", encoder.fingerprint)
        for name, encoder in (("image", encoders.image), ("text", encoders.text))
    ]
    prepared = make_prepared()
    prepared = replace(prepared, outcomes=prepared.outcomes.assign(output="Three."))
    plain = Dataset.open(prepared, *stores, max_images=8, budget_bytes=2**30, window_bytes=2**20)
    params = tiny_params()
    workspace = Workspace(params.model_copy(update={"epochs": 1, "baselines": ROUTERS}), None, encoders.params)
    embedded = plain.with_embeddings(Embedder(encoders, 16, CPU), params.costs)
    queries = pd.concat([prepared.split(split) for split in unseen.FIT], ignore_index=True)
    ids = queries["query_id"]
    of = UnseenParams(by=["task", "benchmark"], least_queries=4, seeds=[1, 2], routers=["arms", "plain", *ROUTERS])
    return unseen.Study(
        workspace,
        StudyParams(seeds=[1], fewer_seeds={}, quick=False, tuned_encoders="tuned", unseen=of, routers={},
                    curve=read_section(ROOT / PARAMS, StudyParams).curve,
                    encoder_pairs=read_section(ROOT / PARAMS, StudyParams).encoder_pairs,
                    studies=read_section(ROOT / PARAMS, StudyParams).studies),
        embedded, queries, prepared.outcome_matrix(ids, prepared.base), prepared.scene_groups(ids),
    )  # fmt: skip


def test_the_study_on_made_up_queries(made_study, monkeypatch):
    seen = watch_progress(monkeypatch)
    monkeypatch.setattr(unseen, "open_study", lambda: made_study)
    unseen.main()
    found = json.loads((unseen.RESULTS / "tiny" / "unseen.json").read_text())
    assert list(found["left_out"]) == ["task"], "one benchmark leaves nothing to train on"
    assert found["seeds"] == {"arms": [1, 2], "plain": [1, 2], "knn": [made_study.workspace.params.seed],
                              "to-router": [made_study.workspace.params.seed]}  # fmt: skip
    judged, trusted = found["left_out"]["task"]["routers"], found["left_out"]["task"]["trust"]
    complete = made_study.queries[~np.isnan(made_study.outcomes).any(axis=1)]
    counts = complete["task"].value_counts().to_dict()
    for router, of in judged.items():
        assert {kind: fold["queries_all"] for kind, fold in of["folds"].items()} == counts
        gains = [fold["em"] - fold["best_single_em"] for fold in of["folds"].values()]
        assert of["macro"]["gain"] == pytest.approx(np.mean(gains), abs=2e-4)
        assert of["worst"]["gain"] == pytest.approx(min(gains), abs=2e-4)
        assert trusted[router]["queries"] == len(complete)
    fits = [record for record in seen if record[0] == "unseen kinds"]
    assert fits[-1] == ("unseen kinds", 2 * 4, 2 * 4)


def test_a_net_is_trained_once_for_arms_and_for_itself(made_study, monkeypatch):
    trained = []
    build = unseen.untrained_phi
    monkeypatch.setattr(unseen, "untrained_phi", lambda *args: trained.append(args) or build(*args))
    first, second = made_study.folds
    alone = made_study.fitted_scores("plain", None, 1, second)
    for name in ("arms", "plain"):
        for seed in (1, 2):
            made_study.fitted_scores(name, None, seed, first)
    assert len(trained) == 3
    made_study.fitted_scores("arms", None, 1, second)
    after = made_study.fitted_scores("plain", None, 1, second)
    assert len(trained) == 4
    np.testing.assert_array_equal(after.confidence, alone.confidence)  # ARMS leaves its net as it was


def test_a_router_never_sees_the_kind_that_it_is_judged_on(made_study, monkeypatch):
    fitted = []
    build = unseen.build_router

    def watched(*args, **settings):
        router = build(*args, **settings)
        fit = router.fit
        router.fit = lambda train, val: (fitted.append((train, val)), fit(train, val))[1]
        return router

    monkeypatch.setattr(unseen, "build_router", watched)
    (fold, other) = made_study.folds
    scores = made_study.fitted_scores("knn", ROUTERS["knn"], 1, fold)
    tasks = dict(zip(made_study.queries["query_id"], made_study.queries["task"], strict=True))
    ((train, val),) = fitted
    assert {tasks[query] for query in (*train.queries.ids, *val.queries.ids)} == {other.kinds["task"]}
    assert {tasks[query] for query in scores.query_ids} == {fold.kinds["task"]}
    assert train.answers is not None, "for the routers that learn from answers"

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from arms.baselines.graph_net import GraphNet
from arms.baselines.graph_router import GraphRouter
from arms.baselines.registry import build_router
from arms.errors import ArmsError
from tests.baselines.made_pools import NEW, OLD, make_pool
from tests.baselines.made_vectors import (
    VLMS,
    best_share,
    check_randomness,
    em_on,
    label_vectors,
    learnable,
    noisy,
    watch_em,
)

NAN = np.nan
SETTINGS = {
    "features": "concat",
    "num_tasks": 4,
    "num_layers": 2,
    "hidden_share": 0.2,
    "withhold": 0.5,
    "hidden_width": 16,
    "epochs": 15,
    "learning_rate": 0.01,
    "weight_decay": 0.0,
}


def make(vlms=VLMS, seed=0, **changes):
    return GraphRouter(vlms, **(SETTINGS | changes), seed=seed)


@pytest.fixture(scope="module", params=["profiles", "no profiles"])
def pool(request):
    """A router over six VLMs, the outcomes and the profile of a new one, and test data of all seven."""
    train, test = make_pool(400, 0), make_pool(300, 1)
    if request.param == "no profiles":
        train = replace(train, profiles=None)
    router = make(OLD).fit(train.over(OLD))
    return router, train.outcomes[:, 6], None if train.profiles is None else train.profiles[6], test


def test_it_learns_with_a_third_unknown():
    train, test = learnable(300, 0, unknown=0.3), learnable(300, 1)
    assert em_on(test, make().fit(train)) > 0.8 > best_share(test)


def test_tasks_tell_who_is_right():
    """Three groups of queries, far apart, each of which one VLM answers."""

    def grouped(count, seed):
        rng = np.random.default_rng(seed)
        groups = rng.integers(0, 3, count)
        vectors = 5 * np.eye(4)[groups] + rng.normal(size=(count, 4))
        return label_vectors(vectors, groups[:, None] == np.arange(3)), groups

    (train, groups), (test, _) = grouped(150, 0), grouped(150, 1)
    for tags in (np.array(["count", "read", "chart"])[groups], None):
        router = make(num_tasks=3).fit(replace(train, tags=tags))
        assert em_on(test, router) > 0.95
        assert len(np.unique(np.stack([groups, router.task_N]), axis=1).T) == 3, "tasks are the groups"


def test_tasks_are_tags_with_their_mean_vectors():
    tags = np.array(["read", "count"])[np.arange(40) % 2]
    router = make(epochs=1).fit(replace(noisy(40, 0), tags=tags))
    vectors = router.vectors_ND.numpy()
    assert router.task_N.tolist() == [1, 0] * 20
    np.testing.assert_allclose(router.tasks_KD, [vectors[1::2].mean(axis=0), vectors[::2].mean(axis=0)], atol=1e-6)


def test_without_tags_tasks_are_clusters():
    train = noisy(40, 0)
    router = make(epochs=1).fit(train)
    means = [router.vectors_ND[router.task_N == k].mean(dim=0) for k in range(4)]
    torch.testing.assert_close(router.tasks_KD, torch.stack(means))
    few = label_vectors(np.eye(5)[[0, 1, 2] * 10], train.outcomes[:30])
    assert len(make(epochs=1).fit(few).tasks_KD) == 3


def test_a_query_joins_the_task_of_nearest_mean():
    router, test = make(epochs=3).fit(noisy(60, 0)), noisy(30, 1)
    vectors = router.centring(test.vectors)
    nearest = [
        int(np.argmin([np.linalg.norm(vector - task) for task in router.tasks_KD.numpy()]))
        for vector in vectors.numpy()
    ]
    assert len(set(nearest)) == 4
    with torch.no_grad():
        expected = torch.sigmoid(router.net.predict(vectors, torch.tensor(nearest), router.states))
    np.testing.assert_allclose(router.score(test.queries), expected, atol=1e-6)


def test_what_is_predicted_is_hidden(monkeypatch):
    """In every step the graph is that of the other queries, and in an epoch each query's outcomes are hidden once."""
    train = noisy(50, 0)
    shown, hidden, kept = [], [], []
    propagate, predict = GraphNet.propagate, GraphNet.predict

    def spy_propagate(self, query_ND, outcomes_NS, task_N, tasks_KD, profiles_SP, kept_S):
        shown.append(query_ND)
        kept.append(kept_S)
        return propagate(self, query_ND, outcomes_NS, task_N, tasks_KD, profiles_SP, kept_S)

    def spy_predict(self, query_MD, task_M, states):
        hidden.append(query_MD)
        return predict(self, query_MD, task_M, states)

    monkeypatch.setattr(GraphNet, "propagate", spy_propagate)
    monkeypatch.setattr(GraphNet, "predict", spy_predict)
    router = make(epochs=6).fit(train)
    assert (len(shown), len(hidden)) == (6 * 5 + 1, 6 * 5)
    for part, others in zip(hidden, shown[:-1], strict=True):
        assert len(part) == 10
        assert sorted(torch.cat([part, others]).tolist()) == sorted(router.vectors_ND.tolist())
    for epoch in range(6):
        in_epoch = torch.cat(hidden[5 * epoch : 5 * epoch + 5]).tolist()
        assert sorted(in_epoch) == sorted(router.vectors_ND.tolist())
    assert any(not torch.equal(hidden[0], part) for part in hidden[5::5]), "drawn anew each epoch"
    torch.testing.assert_close(shown[-1], router.vectors_ND)
    assert kept[-1].all(), "in the end no VLM's vector is withheld"
    assert 0.3 < torch.stack(kept[:-1]).float().mean() < 0.7


def test_a_new_vlm_is_a_new_node(pool):
    router, outcomes, profile, test = pool
    extended = router.with_vlm(NEW, profile, outcomes)
    assert extended.vlms == (*OLD, NEW)
    scores = extended.score(test.queries)
    assert scores.shape == (300, 7)
    assert scores.dtype == np.float32
    assert roc_auc_score(test.outcomes[:, 6], scores[:, 6]) > 0.85
    assert test.em(scores) > em_on(test.over(OLD), router) - 0.02


def test_a_new_vlm_without_a_profile(pool):
    router, outcomes, _, test = pool
    scores = router.with_vlm(NEW, None, outcomes).score(test.queries)
    assert roc_auc_score(test.outcomes[:, 6], scores[:, 6]) > 0.85


def test_a_new_vlm_leaves_the_router_as_it_is(pool):
    router, outcomes, profile, test = pool
    before = router.score(test.queries)
    extended = router.with_vlm(NEW, profile, outcomes)
    np.testing.assert_array_equal(router.score(test.queries), before)
    assert router.vlms == OLD
    # It sends messages as others do, so that they are not quite as they were.
    moved = np.abs(extended.score(test.queries)[:, :6] - before)
    assert 0 < moved.max() < 0.5
    assert extended.with_vlm("newer", None, 1 - outcomes).score(test.queries).shape == (300, 8)


def test_with_one_round_a_new_vlm_changes_nothing_for_the_others():
    train = noisy(60, 0)
    router = make(num_layers=1, epochs=3).fit(train)
    extended = router.with_vlm("d", None, train.outcomes[:, 0])
    np.testing.assert_allclose(extended.score(train.queries)[:, :3], router.score(train.queries), atol=1e-6)


def test_an_old_vlm_s_edges_and_profile_make_its_twin():
    train = make_pool(100, 0).over(OLD)
    router = make(OLD, num_layers=1, epochs=3).fit(train)
    scores = router.with_vlm("twin", train.profiles[2], train.outcomes[:, 2]).score(train.queries)
    np.testing.assert_allclose(scores[:, 6], scores[:, 2], atol=1e-6)
    other = router.with_vlm("other", -train.profiles[2], train.outcomes[:, 2]).score(train.queries)
    assert np.abs(other[:, 6] - other[:, 2]).max() > 1e-4


def test_what_is_no_new_vlm(pool):
    router, outcomes, profile, _ = pool
    with pytest.raises(ArmsError, match=r"'a' is in the pool already; the pool: a, b, c, d, e, f"):
        router.with_vlm("a", None, outcomes)
    with pytest.raises(ArmsError, match=r"each of the 400 training queries, shape \(400,\), got shape \(3,\)"):
        router.with_vlm(NEW, None, outcomes[:3])
    if profile is None:
        message = "expected profile None, since the router was fitted without profiles"
    else:
        message = r"expected a profile of shape \(3,\), got \(2,\)"
    with pytest.raises(ArmsError, match=message):
        router.with_vlm(NEW, np.ones(2), outcomes)


def test_profiles_are_read():
    train = noisy(60, 0)
    scores = [
        make(withhold=0.0).fit(replace(train, profiles=profiles)).score(train.queries)
        for profiles in (None, np.eye(3, 4, dtype=np.float32), np.ones((3, 4), np.float32))
    ]
    assert np.abs(scores[0] - scores[2]).max() > 1e-3
    assert np.abs(scores[1] - scores[2]).max() > 1e-3


def test_all_randomness_is_the_seed_s():
    check_randomness(make)


def test_the_epoch_with_the_best_em_on_val_is_kept(monkeypatch):
    train, val = noisy(60, 0), noisy(200, 1)
    ems = watch_em(monkeypatch)
    router = make(learning_rate=0.2).fit(train, val)
    assert len(ems) == SETTINGS["epochs"]
    assert min(ems) < max(ems) == em_on(val, router)


def test_one_training_query():
    router = make(epochs=2).fit(label_vectors(np.ones((1, 5)), [[1, 0, 1]]))
    assert np.isfinite(router.score(noisy(5, 1).queries)).all()


@pytest.mark.parametrize(("setting", "value"), [("num_tasks", 0), ("hidden_share", 1.0), ("withhold", 1.0)])
def test_settings_are_checked(setting, value):
    with pytest.raises(ArmsError, match=rf"baselines\.graph-router\.{setting}: expected"):
        build_router("graph-router", VLMS, SETTINGS | {setting: value}, seed=1)

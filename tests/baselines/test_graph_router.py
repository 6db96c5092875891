import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from arms.baselines.embedding import Examples
from arms.baselines.facts import Facts
from arms.baselines.graph_net import GraphNet
from arms.baselines.graph_router import GraphRouter
from arms.baselines.registry import build_router
from arms.errors import ArmsError
from arms.training.losses import masked_em
from tests.baselines.made_pools import make_pool
from tests.baselines.made_vectors import VLMS, learnable, noisy, queries_of

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
    """A router over six VLMs, the training data, test data, and the new VLM's profile."""
    train = make_pool(400, 0)
    profiles = train.facts if request.param == "profiles" else None
    facts = Facts(profiles=None if profiles is None else profiles[:6])
    router = make(train.vlms).fit(train.queries, train.outcomes, facts=facts)
    return router, train, make_pool(300, 1), None if profiles is None else profiles[6]


def test_it_learns_with_a_third_unknown():
    (train, outcomes), (test, test_outcomes) = learnable(300, 0, unknown=0.3), learnable(300, 1)
    em = masked_em(make().fit(train, outcomes).score(test), test_outcomes)
    assert em > 0.8 > np.nanmean(test_outcomes, axis=0).max()


def test_tasks_tell_who_is_right():
    """Three groups of queries, far apart, each of which one VLM answers."""

    def grouped(count, seed):
        rng = np.random.default_rng(seed)
        groups = rng.integers(0, 3, count)
        vectors = 5 * np.eye(4)[groups] + rng.normal(size=(count, 4))
        return queries_of(vectors), (groups[:, None] == np.arange(3)).astype(np.float32), groups

    (train, outcomes, groups), (test, test_outcomes, _) = grouped(150, 0), grouped(150, 1)
    for tags in (np.array(["count", "read", "chart"])[groups], None):
        router = make(num_tasks=3).fit(train, outcomes, facts=Facts(tags=tags))
        assert masked_em(router.score(test), test_outcomes) > 0.95
        assert len(np.unique(np.stack([groups, router.task_N]), axis=1).T) == 3, "tasks are the groups"


def test_tasks_are_tags_with_their_mean_vectors():
    train, outcomes = noisy(40, 0)
    tags = np.array(["read", "count"])[np.arange(40) % 2]
    router = make(epochs=1).fit(train, outcomes, facts=Facts(tags=tags))
    vectors = router.vectors_ND.numpy()
    assert router.task_N.tolist() == [1, 0] * 20
    np.testing.assert_allclose(router.tasks_KD, [vectors[1::2].mean(axis=0), vectors[::2].mean(axis=0)], atol=1e-6)


def test_without_tags_tasks_are_clusters():
    train, outcomes = noisy(40, 0)
    router = make(epochs=1).fit(train, outcomes)
    means = [router.vectors_ND[router.task_N == k].mean(dim=0) for k in range(4)]
    torch.testing.assert_close(router.tasks_KD, torch.stack(means))
    few = queries_of(np.eye(5)[[0, 1, 2] * 10])
    assert len(make(epochs=1).fit(few, outcomes[:30]).tasks_KD) == 3


def test_a_query_joins_the_task_of_nearest_mean():
    train, outcomes = noisy(60, 0)
    router = make(epochs=3).fit(train, outcomes)
    test, _ = noisy(30, 1)
    vectors = router.centring(test.embeddings.text)
    nearest = [
        int(np.argmin([np.linalg.norm(vector - task) for task in router.tasks_KD.numpy()]))
        for vector in vectors.numpy()
    ]
    assert len(set(nearest)) == 4
    with torch.no_grad():
        expected = torch.sigmoid(router.net.predict(vectors, torch.tensor(nearest), router.states))
    np.testing.assert_allclose(router.score(test), expected, atol=1e-6)


def test_what_is_predicted_is_hidden(monkeypatch):
    """In every step the graph is that of the other queries, and in an epoch each query's outcomes are hidden once."""
    train, outcomes = noisy(50, 0)
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
    router = make(epochs=6).fit(train, outcomes)
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
    router, train, test, profile = pool
    extended = router.with_vlm("new", profile, train.new)
    assert extended.vlms == (*"abcdef", "new")
    scores = extended.score(test.queries)
    assert scores.shape == (300, 7)
    assert scores.dtype == np.float32
    assert roc_auc_score(test.new, scores[:, 6]) > 0.85
    with_new = masked_em(scores, np.c_[test.outcomes, test.new])
    assert with_new > masked_em(router.score(test.queries), test.outcomes) - 0.02


def test_a_new_vlm_without_a_profile(pool):
    router, train, test, _ = pool
    assert roc_auc_score(test.new, router.with_vlm("new", None, train.new).score(test.queries)[:, 6]) > 0.85


def test_a_new_vlm_leaves_the_router_as_it_is(pool):
    router, train, test, profile = pool
    before = router.score(test.queries)
    extended = router.with_vlm("new", profile, train.new)
    np.testing.assert_array_equal(router.score(test.queries), before)
    assert router.vlms == tuple("abcdef")
    # It sends messages as others do, so that they are not quite as they were.
    moved = np.abs(extended.score(test.queries)[:, :6] - before)
    assert 0 < moved.max() < 0.5
    assert extended.with_vlm("newer", None, 1 - train.new).score(test.queries).shape == (300, 8)


def test_with_one_round_a_new_vlm_changes_nothing_for_the_others():
    train, outcomes = noisy(60, 0)
    router = make(num_layers=1, epochs=3).fit(train, outcomes)
    extended = router.with_vlm("d", None, outcomes[:, 0])
    np.testing.assert_allclose(extended.score(train)[:, :3], router.score(train), atol=1e-6)


def test_an_old_vlm_s_edges_and_profile_make_its_twin():
    train = make_pool(100, 0)
    router = make(train.vlms, num_layers=1, epochs=3).fit(
        train.queries, train.outcomes, facts=Facts(profiles=train.facts[:6])
    )
    scores = router.with_vlm("twin", train.facts[2], train.outcomes[:, 2]).score(train.queries)
    np.testing.assert_allclose(scores[:, 6], scores[:, 2], atol=1e-6)
    other = router.with_vlm("other", -train.facts[2], train.outcomes[:, 2]).score(train.queries)
    assert np.abs(other[:, 6] - other[:, 2]).max() > 1e-4


def test_what_is_no_new_vlm(pool):
    router, train, _, profile = pool
    with pytest.raises(ArmsError, match=r"'a' is in the pool already; the pool: a, b, c, d, e, f"):
        router.with_vlm("a", None, train.new)
    with pytest.raises(ArmsError, match=r"each of the 400 training queries, shape \(400,\), got shape \(3,\)"):
        router.with_vlm("new", None, train.new[:3])
    if profile is None:
        message = "expected profile None, since the router was fitted without profiles"
    else:
        message = r"expected a profile of shape \(3,\), got \(2,\)"
    with pytest.raises(ArmsError, match=message):
        router.with_vlm("new", np.ones(2), train.new)


def test_profiles_are_read():
    train, outcomes = noisy(60, 0)
    scores = [
        make(withhold=0.0).fit(train, outcomes, facts=Facts(profiles=profiles)).score(train)
        for profiles in (None, np.eye(3, 4, dtype=np.float32), np.ones((3, 4), np.float32))
    ]
    assert np.abs(scores[0] - scores[2]).max() > 1e-3
    assert np.abs(scores[1] - scores[2]).max() > 1e-3


def test_all_randomness_is_the_seed_s():
    train, outcomes = noisy(40, 0)
    before = torch.get_rng_state()
    scores = [make(epochs=2, seed=seed).fit(train, outcomes).score(train) for seed in (0, 0, 1)]
    assert torch.equal(torch.get_rng_state(), before)
    np.testing.assert_array_equal(scores[0], scores[1])
    assert (scores[0] != scores[2]).any()


def test_the_epoch_with_the_best_em_on_val_is_kept(monkeypatch):
    (train, outcomes), (val, val_outcomes) = noisy(60, 0), noisy(200, 1)
    ems, em_of = [], Examples.em

    def spy(self, scores):
        ems.append(em_of(self, scores))
        return ems[-1]

    monkeypatch.setattr(Examples, "em", spy)
    router = make(learning_rate=0.2).fit(train, outcomes, val, val_outcomes)
    assert len(ems) == SETTINGS["epochs"]
    assert min(ems) < max(ems) == masked_em(router.score(val), val_outcomes)


def test_one_training_query():
    train, outcomes = noisy(1, 0)
    assert np.isfinite(make(epochs=2).fit(train, np.nan_to_num(outcomes)).score(noisy(5, 1)[0])).all()


@pytest.mark.parametrize(("setting", "value"), [("num_tasks", 0), ("hidden_share", 1.0), ("withhold", 1.0)])
def test_settings_are_checked(setting, value):
    with pytest.raises(ArmsError, match=rf"baselines\.graph-router\.{setting}: expected"):
        build_router("graph-router", VLMS, SETTINGS | {setting: value}, seed=1)

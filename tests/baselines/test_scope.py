import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from arms.baselines.registry import build_router
from arms.baselines.scope import ScopeRouter, TwoTowers, draw_subsets
from arms.errors import ArmsError
from tests.baselines.made_pools import NEW, OLD, make_pool
from tests.baselines.made_vectors import VLMS, best_share, check_randomness, em_on, learnable, noisy, watch_em

NAN = np.nan
SETTINGS = {
    "features": "concat",
    "num_calibration": 200,
    "least_share": 0.25,
    "hidden_width": 16,
    "epochs": 10,
    "batch_size": 32,
    "learning_rate": 0.01,
    "weight_decay": 0.0,
}


def make(vlms=VLMS, seed=0, **changes):
    return ScopeRouter(vlms, **(SETTINGS | changes), seed=seed)


@pytest.fixture(scope="module")
def pool():
    """A router over six VLMs, the outcomes of all seven on its calibration queries, and test data."""
    train = make_pool(400, 0)
    router = make(OLD).fit(train.over(OLD))
    return router, train.outcomes[router.calibration_rows], make_pool(300, 1)


def test_it_learns_with_a_third_unknown():
    train, test = learnable(300, 0, unknown=0.3), learnable(300, 1)
    assert em_on(test, make().fit(train)) > 0.8 > best_share(test)


def test_a_new_vlm_is_known_by_its_outcomes_on_the_calibration_queries(pool):
    router, outcomes, test = pool
    extended = router.with_vlm(NEW, outcomes[:, 6])
    assert extended.vlms == (*OLD, NEW)
    scores = extended.score(test.queries)
    assert scores.shape == (300, 7)
    assert roc_auc_score(test.outcomes[:, 6], scores[:, 6]) > 0.85
    assert test.em(scores) > em_on(test.over(OLD), router) - 0.02


def test_a_new_vlm_changes_nothing_for_the_others(pool):
    router, outcomes, test = pool
    before = router.score(test.queries)
    extended = router.with_vlm(NEW, outcomes[:, 6])
    np.testing.assert_allclose(extended.score(test.queries)[:, :6], before, atol=1e-6)
    np.testing.assert_array_equal(router.score(test.queries), before)
    assert router.vlms == OLD


def test_a_new_vlm_of_an_old_one_s_outcomes_scores_as_that_does(pool):
    router, outcomes, test = pool
    copy = router.with_vlm("copy", outcomes[:, 2]).score(test.queries)
    np.testing.assert_allclose(copy[:, 6], copy[:, 2], atol=1e-6)


def test_several_new_vlms(pool):
    router, outcomes, test = pool
    one, two = outcomes[:, 6], 1 - outcomes[:, 6]
    scores = router.with_vlm("one", one).with_vlm("two", two).score(test.queries)
    np.testing.assert_allclose(scores[:, 6], router.with_vlm("one", one).score(test.queries)[:, 6], atol=1e-6)
    np.testing.assert_allclose(scores[:, 7], router.with_vlm("two", two).score(test.queries)[:, 6], atol=1e-6)


def test_the_more_outcomes_of_a_vlm_are_known_the_further_apart_are_its_confidences(pool):
    router, outcomes, test = pool

    def spread(num_known):
        part = np.where(np.arange(200) < num_known, outcomes[:, 6], NAN)
        return router.with_vlm(NEW, part).score(test.queries)[:, 6].std()

    assert 4 * spread(0) < 2 * spread(5) < 1.5 * spread(200)


def test_what_is_no_new_vlm(pool):
    router, outcomes, _ = pool
    with pytest.raises(ArmsError, match=r"'a' is in the pool already; the pool: a, b, c, d, e, f"):
        router.with_vlm("a", outcomes[:, 6])
    with pytest.raises(ArmsError, match=r"each of the 200 calibration queries, shape \(200,\), got shape \(400,\)"):
        router.with_vlm(NEW, np.ones(400))


def test_calibration_queries_are_drawn_by_the_seed():
    train = noisy(60, 0)
    rows = [make(seed=seed, num_calibration=20, epochs=1).fit(train).calibration_rows for seed in (0, 0, 1)]
    np.testing.assert_array_equal(rows[0], rows[1])
    assert len(np.unique(rows[0])) == 20
    assert (rows[0] != rows[2]).any()
    np.testing.assert_array_equal(make(num_calibration=1024, epochs=1).fit(train).calibration_rows, np.arange(60))


def test_no_query_is_scored_by_its_own_outcome(monkeypatch):
    """In every step the batch's rows are left out of the profiles, and the subsets differ from step to step."""
    train = learnable(60, 0)  # every outcome is known
    read, scored = [], []
    behaviour, forward = TwoTowers.behaviour, TwoTowers.forward

    def spy_behaviour(self, calibration_CD, outcomes_CS):
        read.append(outcomes_CS.clone())
        return behaviour(self, calibration_CD, outcomes_CS)

    def spy_forward(self, query_ND, found):
        scored.append(query_ND)
        return forward(self, query_ND, found)

    monkeypatch.setattr(TwoTowers, "behaviour", spy_behaviour)
    monkeypatch.setattr(TwoTowers, "forward", spy_forward)
    router = make(num_calibration=30, epochs=2, batch_size=10).fit(train)
    assert len(scored) == 12
    left_out = 0
    for outcomes_CS, query_ND in zip(read[:12], scored, strict=True):
        own = (router.calibration_CD[:, None] == query_ND).all(dim=2).any(dim=1)
        assert outcomes_CS[own].isnan().all()
        assert not outcomes_CS[~own].isnan().all()
        left_out += int(own.sum())
    assert left_out == 2 * 30
    assert len({float(part.isnan().sum()) for part in read[:12]}) > 3
    np.testing.assert_array_equal(read[12], train.outcomes[router.calibration_rows])


def test_subsets():
    subsets = draw_subsets(4000, 50, 0.4, torch.Generator().manual_seed(0)).float().mean(dim=0)
    assert subsets.min() > 0.35
    assert subsets.max() <= 1
    assert float(subsets.mean()) == pytest.approx(0.7, abs=0.06)
    assert float(subsets.std()) == pytest.approx(0.6 / np.sqrt(12), abs=0.04)
    assert draw_subsets(10, 3, 1.0, torch.Generator().manual_seed(0)).all()


def test_scores_by_hand():
    """sigmoid of the readout on the hidden layer, with the profile tower's map of the mean difference."""
    train = noisy(40, 0)
    router = make(num_calibration=25, epochs=2).fit(train)
    net, vectors = router.net.requires_grad_(False), train.vectors
    centred = (vectors - vectors.mean(axis=0)) / np.sqrt(np.square(vectors - vectors.mean(axis=0)).mean())
    first, query = net.hidden[0], net.readout.query
    hidden = np.maximum(centred @ first.weight.numpy().T + first.bias.numpy(), 0)
    cards, known = hidden[router.calibration_rows], train.outcomes[router.calibration_rows]
    a, c = net.readout.odds.tolist()
    for j in range(3):
        right, wrong = cards[known[:, j] == 1], cards[known[:, j] == 0]
        means = [(kind.sum(axis=0) + 5 * cards.mean(axis=0)) / (len(kind) + 5) for kind in (right, wrong)]
        profile = net.profile.weight.numpy() @ (means[0] - means[1])
        away = hidden - cards.mean(axis=0)
        mapped = away @ query.weight.numpy().T + query.bias.numpy()
        logits = np.exp(float(net.readout.log_scale)) * mapped @ profile
        logits += a * np.log((len(right) + 0.5) / (len(wrong) + 0.5)) + c
        logits += away @ net.readout.level.weight.numpy()[0]
        np.testing.assert_allclose(router.score(train.queries)[:, j], 1 / (1 + np.exp(-logits)), atol=1e-4)


def test_all_randomness_is_the_seed_s():
    check_randomness(make)


def test_the_epoch_with_the_best_em_on_val_is_kept(monkeypatch):
    train, val = noisy(60, 0), noisy(200, 1)
    ems = watch_em(monkeypatch)
    router = make(learning_rate=0.2).fit(train, val)
    assert len(ems) == SETTINGS["epochs"]
    assert min(ems) < max(ems) == em_on(val, router)


@pytest.mark.parametrize(("setting", "value"), [("num_calibration", 0), ("least_share", 0.0), ("least_share", 1.5)])
def test_settings_are_checked(setting, value):
    with pytest.raises(ArmsError, match=rf"baselines\.scope\.{setting}: expected"):
        build_router("scope", VLMS, SETTINGS | {setting: value}, seed=1)

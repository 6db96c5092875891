import numpy as np
import pytest

from arms.baselines.latent_net import Capabilities
from arms.baselines.latent_router import LatentRouter
from arms.baselines.registry import build_router
from arms.baselines.router_dc import find_clusters
from arms.errors import ArmsError
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
    "num_clusters": 4,
    "num_capsules": 2,
    "num_rounds": 1,
    "width": 16,
    "bound": [3.0],
    "epochs": 15,
    "batch_size": 32,
    "learning_rate": 0.01,
    "weight_decay": 0.0,
}


def make(vlms=VLMS, seed=0, **changes):
    return LatentRouter(vlms, **(SETTINGS | changes), seed=seed)


def log_odds(chances):
    chances = np.asarray(chances, dtype=np.float64)
    return np.log(chances / (1 - chances))


def shares(outcomes):
    columns = [column[~np.isnan(column)] for column in outcomes.T]
    return np.array([(column.sum() + 0.5) / (len(column) + 1) for column in columns])


def test_it_learns_with_a_third_unknown():
    train, test = learnable(300, 0, unknown=0.3), learnable(300, 1)
    assert em_on(test, make().fit(train)) > 0.85 > best_share(test)


def test_no_confidence_strays_from_the_share_by_more_than_the_bound():
    train, test = learnable(200, 0), learnable(100, 1)
    router = make(bound=[0.4], learning_rate=0.05).fit(train)
    away = np.abs(log_odds(router.score(test.queries)) - log_odds(shares(train.outcomes)))
    assert 0.35 < away.max() < 0.4 + 1e-5


def test_a_net_that_has_learned_nothing_gives_the_shares():
    train = noisy(60, 0)
    scores = make(learning_rate=1e-12).fit(train).score(train.queries)
    np.testing.assert_allclose(scores, np.tile(shares(train.outcomes), (60, 1)), atol=1e-5)


def test_the_tokens_are_made_from_the_training_outcomes():
    train = noisy(60, 0)
    router = make(epochs=1).fit(train, noisy(30, 1))
    expected = Capabilities.of(train.outcomes, find_clusters(train.vectors, 4, 0))
    told = np.concatenate([expected.base_S[:, None], expected.above_SC], axis=1)
    np.testing.assert_array_equal(router.net.get_buffer("told_SP"), told)
    assert told.shape == (3, 5)


def test_a_vlm_without_outcomes_changes_nothing_for_the_others():
    """Only what is known is learned from, and only VLMs with outcomes are heard."""
    train = noisy(60, 0)
    whole = train.forget(np.full(60, True), ["b"])
    scores = make(epochs=3).fit(whole).score_vectors(train.vectors)
    others = make("ac", epochs=3).fit(train.over(["a", "c"])).score_vectors(train.vectors)
    np.testing.assert_allclose(scores[:, [0, 2]], others, atol=1e-5)
    np.testing.assert_array_equal(scores[:, 1], scores[:, [0, 2]].min(axis=1))


def test_the_bound_is_chosen_on_val():
    train, val = noisy(80, 0), noisy(200, 1)
    candidates = [0.01, 4.0, 1.0]

    def em(bound):
        return em_on(val, make(bound=[bound]).fit(train, val))

    best = max(candidates, key=em)
    assert best != candidates[0]
    router = make(bound=candidates).fit(train, val)
    assert router.bound == router.net.bound == best
    assert make(bound=candidates, epochs=1).fit(train).bound == 0.01


def test_the_epoch_with_the_best_em_on_val_is_kept(monkeypatch):
    train, val = noisy(60, 0), noisy(200, 1)
    ems = watch_em(monkeypatch)
    router = make(learning_rate=0.05).fit(train, val)
    assert min(ems) < max(ems) == em_on(val, router)


def test_all_randomness_is_the_seed_s():
    check_randomness(make)


def test_one_training_query():
    router = make(epochs=2).fit(label_vectors(np.ones((1, 5)), [[1, 0, 1]]))
    assert np.isfinite(router.score(noisy(5, 1).queries)).all()


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("bound", [0.0], r"bound\.0: expected greater than 0, got 0"),
        ("num_rounds", 0, r"num_rounds: expected greater than or equal to 1, got 0"),
        ("num_capsules", 0, r"num_capsules: expected greater than or equal to 1, got 0"),
    ],
)
def test_settings_are_checked(setting, value, message):
    with pytest.raises(ArmsError, match=r"baselines\.latent-router\." + message):
        build_router("latent-router", VLMS, SETTINGS | {setting: value}, seed=1)

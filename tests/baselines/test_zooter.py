from dataclasses import replace

import numpy as np
import pytest
from scipy.special import softmax

from arms.baselines.registry import build_router
from arms.baselines.zooter import ZooterRouter, known_softmax, smooth_by_tag
from arms.errors import ArmsError
from tests.baselines.made_vectors import (
    VLMS,
    best_share,
    check_randomness,
    em_on,
    label_vectors,
    learnable,
    noisy,
    raw_em_on,
)

NAN = np.nan
SETTINGS = {
    "features": "concat",
    "hidden_width": 16,
    "beta": [1.0],
    "temperature": 1.0,
    "epochs": 15,
    "batch_size": 32,
    "learning_rate": 0.02,
    "weight_decay": 0.0,
}


def make(vlms=VLMS, seed=0, **changes):
    return ZooterRouter(vlms, **{**SETTINGS, **changes}, seed=seed)


def test_smoothing_by_hand():
    """Tag x: a was right on one of two, b on one of one; tag y: a on one of one, b never run."""
    rewards = np.array([[1, NAN], [0, 1], [1, NAN]])
    smoothed = smooth_by_tag(rewards, np.array(["x", "x", "y"]), 0.3)
    np.testing.assert_allclose(smoothed, [[0.3 + 0.7 * 0.5, NAN], [0.7 * 0.5, 1], [1, NAN]])


def test_smoothing_by_loop():
    rng = np.random.default_rng(0)
    rewards, tags = rng.choice([0, 1, NAN], size=(40, 3)), rng.choice(["x", "y", "zz"], size=40)
    smoothed = smooth_by_tag(rewards, tags, 0.6)
    for i in range(40):
        for j in range(3):
            mean = np.mean([rewards[k, j] for k in range(40) if tags[k] == tags[i] and not np.isnan(rewards[k, j])])
            expected = 0.6 * rewards[i, j] + 0.4 * mean if not np.isnan(rewards[i, j]) else NAN
            np.testing.assert_allclose(smoothed[i, j], expected)
    np.testing.assert_allclose(smooth_by_tag(rewards, tags, 1.0), rewards)


def test_softmax_over_what_is_known():
    values = np.array([[1, NAN, 3.0], [0.2, 0.2, 0.2], [NAN, NAN, NAN], [NAN, 900, 0]])
    shares = known_softmax(values)
    np.testing.assert_allclose(shares[0, [0, 2]], softmax([1, 3]), rtol=1e-6)
    np.testing.assert_allclose(shares[1], 1 / 3)
    np.testing.assert_allclose(shares[2], 0)
    np.testing.assert_allclose(shares[3], [0, 1, 0])
    assert shares[0, 1] == 0
    assert shares.dtype == np.float32


def test_the_net_learns_the_rewards_shares():
    """On queries that look alike, the softmax that is nearest in KL divergence is the mean of their targets."""
    outcomes = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0], [1, 0, 1]], dtype=np.float32)
    router = make(temperature=0.5, epochs=300, batch_size=4).fit(label_vectors(np.ones((4, 2)), outcomes))
    scores = router.score_vectors(np.ones((1, 2), dtype=np.float32))
    np.testing.assert_allclose(softmax(scores, axis=1)[0], softmax(outcomes / 0.5, axis=1).mean(axis=0), atol=1e-3)


def test_the_tags_smooth_what_is_learnt():
    """With beta 0 all queries of one tag teach the same: the VLMs' mean rewards."""
    rng = np.random.default_rng(0)
    plain = label_vectors(rng.normal(size=(60, 2)), rng.integers(0, 2, (60, 3)))
    queries, tagged = plain.queries, replace(plain, tags=np.full(60, "one"))
    flat = make(beta=[0.0], epochs=60).fit(tagged)
    expected = np.tile(softmax(plain.outcomes.mean(axis=0)), (60, 1))
    np.testing.assert_allclose(softmax(flat.score_vectors(plain.vectors), axis=1), expected, atol=0.02)
    own = make(beta=[1.0]).fit(tagged)
    np.testing.assert_allclose(own.score(queries), make().fit(plain).score(queries), atol=1e-4)
    assert np.abs(flat.score(queries) - own.score(queries)).max() > 0.01


def test_beta_is_chosen_on_val():
    train, val = noisy(80, 0), noisy(80, 1)
    train = replace(train, tags=(train.vectors[:, 0] > 0).astype(str))
    betas = [0.0, 0.5, 1.0]
    alone = [make(beta=[beta], epochs=4).fit(train, val) for beta in betas]
    ems = [raw_em_on(val, router) for router in alone]
    chosen = make(beta=betas, epochs=4).fit(train, val)
    assert len(set(ems)) > 1
    assert chosen.beta == betas[int(np.argmax(ems))]
    assert make(beta=betas, epochs=4).fit(train).beta == 0.0


def test_without_tags_nothing_is_smoothed():
    train, val = noisy(40, 0), noisy(40, 1)
    one, other = (make(beta=beta, epochs=2).fit(train, val) for beta in ([0.0, 1.0], [1.0]))
    np.testing.assert_array_equal(one.score(val.queries), other.score(val.queries))


def test_it_learns_with_a_third_unknown():
    train, test = learnable(300, 0, unknown=0.3), learnable(300, 1)
    assert em_on(test, make(temperature=0.3).fit(train)) > 0.8 > best_share(test)


def test_all_randomness_is_the_seed_s():
    check_randomness(make)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"beta": [1.5]}, r"baselines\.zooter\.beta\.0: expected less than or equal to 1, got 1\.5"),
        ({"temperature": 0.0}, r"baselines\.zooter\.temperature: expected greater than 0, got 0\.0"),
        ({"hidden_width": 1.5}, r"baselines\.zooter\.hidden_width: expected a valid integer, got 1\.5"),
    ],
)
def test_settings_are_checked(changes, message):
    with pytest.raises(ArmsError, match=message):
        build_router("zooter", VLMS, {**SETTINGS, **changes}, seed=0)

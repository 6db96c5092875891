"""What every router has to do, whatever it learns and however."""

import copy

import numpy as np
import pytest

from arms.routers.base import Router
from arms.routers.cascade import CascadeRouter
from arms.routers.constant import BestSingleRouter, RandomRouter
from arms.routers.knn import KnnRouter
from arms.selection import ranking, select
from tests.fakes import PROFILES, make_encoders, make_queries, make_router

WHOLE = {"tunable_layers": "all"}
MADE = make_queries(48)
VAL = make_queries(24, seed=1)


def names(profiles):
    return tuple(profile.name for profile in profiles)


def make_cascade(profiles):
    """Phi over all VLMs but the last one, Theta over that."""
    phi, theta_router = (make_router(part, image=WHOLE, text=WHOLE) for part in (profiles[:-1], profiles[-1:]))
    return CascadeRouter(phi, [theta_router], theta=0.5)


ROUTERS = {
    "arms": lambda profiles: make_router(profiles, image=WHOLE, text=WHOLE),
    "arms with dropout, the head alone": lambda profiles: make_router(
        profiles, image=WHOLE, text=WHOLE, router={"dropout": 0.3}, train={"trains": "head"}
    ),
    "cascade": make_cascade,
    "knn": lambda profiles: KnnRouter(names(profiles), num_neighbours=[5], weights="distance"),
    "best-single": lambda profiles: BestSingleRouter(names(profiles)),
    "random": lambda profiles: RandomRouter(names(profiles), seed=3),
}


@pytest.fixture(scope="module")
def encoded():
    """Training and val queries with embeddings; encoders made from one seed hand over the same at the cut."""
    encoders = make_encoders(image=WHOLE, text=WHOLE)
    return MADE.encode(encoders, embeddings=True), VAL.encode(encoders, embeddings=True)


def holey(outcomes, seed=0):
    """A third of the outcomes unknown, and all those of the last VLM."""
    outcomes = outcomes.copy()
    outcomes[np.random.default_rng(seed).random(outcomes.shape) < 0.3] = np.nan
    outcomes[:, -1] = np.nan
    return outcomes


@pytest.mark.parametrize("name", ROUTERS)
class TestContract:
    def test_fit_returns_the_router_itself(self, name, encoded):
        router = ROUTERS[name](PROFILES)
        assert isinstance(router, Router)
        assert router.vlms == names(PROFILES)
        assert router.fit(encoded[0], MADE.outcomes) is router

    def test_scores_are_confidences(self, name, encoded):
        train, val = encoded
        scores = ROUTERS[name](PROFILES).fit(train, MADE.outcomes, val, VAL.outcomes).score(val)
        assert scores.shape == (24, 3)
        assert scores.dtype == np.float32
        assert np.isfinite(scores).all()
        assert scores.min() >= 0
        assert scores.max() <= 1

    def test_missing_outcomes_are_allowed(self, name, encoded):
        train, val = encoded
        scores = ROUTERS[name](PROFILES).fit(train, holey(MADE.outcomes), val, holey(VAL.outcomes)).score(val)
        assert np.isfinite(scores).all()
        assert scores.min() >= 0
        assert scores.max() <= 1

    def test_no_outcome_known_at_all(self, name, encoded):
        train, val = encoded
        unknown = np.full_like(MADE.outcomes, np.nan)
        scores = ROUTERS[name](PROFILES).fit(train, unknown, val, np.full_like(VAL.outcomes, np.nan)).score(val)
        assert np.isfinite(scores).all()

    def test_a_fit_can_be_repeated(self, name, encoded):
        train, val = encoded
        one, other = (ROUTERS[name](PROFILES).fit(train, MADE.outcomes, val, VAL.outcomes) for _ in range(2))
        np.testing.assert_array_equal(one.score(val), other.score(val))
        np.testing.assert_array_equal(one.score(val), one.score(val))

    def test_reordering_queries_reorders_scores(self, name, encoded):
        train, val = encoded
        router = ROUTERS[name](PROFILES).fit(train, MADE.outcomes)
        order = np.random.default_rng(0).permutation(len(val))
        if name == "random":  # drawn by position in the table, not by query
            np.testing.assert_array_equal(router.score(val.subset(order)), router.score(val))
            return
        np.testing.assert_allclose(router.score(val.subset(order)), router.score(val)[order], atol=1e-5)
        alone = np.concatenate([router.score(val.subset(np.array([i]))) for i in range(5)])
        np.testing.assert_allclose(alone, router.score(val)[:5], atol=1e-5)

    def test_a_pool_of_one(self, name, encoded):
        train, val = encoded
        count = 2 if name == "cascade" else 1  # each of its two routers has a pool of one
        router = ROUTERS[name](PROFILES[:count]).fit(train, MADE.outcomes[:, :count], val, VAL.outcomes[:, :count])
        assert router.score(val).shape == (24, count)
        assert select(router.score(val), router.policy, router.vlms).max() < count

    def test_no_queries_no_scores(self, name, encoded):
        router = ROUTERS[name](PROFILES).fit(encoded[0], MADE.outcomes)
        assert router.score(encoded[0].subset(np.array([], dtype=np.int64))).shape == (0, 3)

    def test_inputs_stay_as_they_are(self, name, encoded):
        train, val = encoded
        outcomes, val_outcomes = holey(MADE.outcomes), holey(VAL.outcomes)
        before = copy.deepcopy((train, val, outcomes, val_outcomes))
        ROUTERS[name](PROFILES).fit(train, outcomes, val, val_outcomes).score(val)
        np.testing.assert_array_equal(outcomes, before[2])
        np.testing.assert_array_equal(val_outcomes, before[3])
        for queries, same in zip((train, val), before[:2], strict=True):
            assert queries.ids == same.ids
            for field in ("image_rows", "text_rows", "embeddings"):
                np.testing.assert_array_equal(getattr(queries, field), getattr(same, field))
            np.testing.assert_array_equal(queries.images.arrays["pixels"], same.images.arrays["pixels"])
            np.testing.assert_array_equal(
                queries.texts.arrays["token_ids"].values, same.texts.arrays["token_ids"].values
            )

    def test_val_is_never_learnt_from(self, name, encoded):
        """None of these routers has anything to choose on val."""
        train, val = encoded
        scores = [
            ROUTERS[name](PROFILES).fit(train, MADE.outcomes, *some).score(val)
            for some in ((), (val, VAL.outcomes), (val, 1 - VAL.outcomes))
        ]
        np.testing.assert_array_equal(scores[0], scores[1])
        np.testing.assert_array_equal(scores[0], scores[2])

    def test_the_policy_goes_with_the_scores(self, name, encoded):
        train, val = encoded
        router = ROUTERS[name](PROFILES).fit(train, MADE.outcomes)
        scores = router.score(val)
        chosen = select(scores, router.policy, router.vlms)
        assert chosen.shape == (24,)
        assert (ranking(scores, router.policy, router.vlms)[:, 0] == chosen).all()

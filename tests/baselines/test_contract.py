"""What every router has to do, whatever it learns and however."""

import copy

import numpy as np
import pytest

from arms.baselines.output_aware import OutputAwareRouter
from arms.baselines.registry import ROUTERS as REGISTRY
from arms.baselines.registry import build_router, find_router
from arms.routers.base import Router
from arms.routers.cascade import CascadeRouter
from arms.selection.select import ranking, select
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


FEW_STEPS = {"epochs": 2, "batch_size": 16, "learning_rate": 0.01, "weight_decay": 0.0}
# Every router of the registry that scores queries alone, with settings for few queries.
BASELINES = {
    "best-single": {},
    "cosine": {"width": 8, "logit_scale": [4.0], **FEW_STEPS},
    "elo": {"temperature": [1.0, 0.1]},
    "forc": {"hidden_width": [8], **FEW_STEPS},
    "graph-router": {
        "num_tasks": 2,
        "num_layers": 1,
        "hidden_share": 0.5,
        "withhold": 0.3,
        "hidden_width": 8,
        "epochs": 2,
        "learning_rate": 0.01,
        "weight_decay": 0.0,
    },
    "hybrid-llm": {
        "weak": None,
        "strong": None,
        "label": "deterministic",
        "num_neighbours": 3,
        "hidden_width": 8,
        "threshold": [0.3, 0.5],
        **FEW_STEPS,
    },
    "kmeans": {"num_clusters": [2, 4]},
    "knn": {"num_neighbours": [5], "weights": "distance", "index": "flat"},
    "linear": {"targets": "soft", "penalty": 0.1, "c": [0.1, 1.0]},
    "matrix-factorisation": {"dimension": [4], **FEW_STEPS},
    "mlp": {"targets": "cheapest", "penalty": 0.0, "hidden_width": [8], **FEW_STEPS},
    "ovr": {"class_weights": "balanced", "c": [0.1, 1.0]},
    "prknn": {"num_neighbours": [3, 5], "weights": "distance", "index": "flat"},
    "prototypes": {},
    "random": {},
    "router-dc": {
        "width": 8,
        "top_k": 2,
        "bottom_k": 2,
        "num_clusters": 2,
        "num_negatives": 4,
        "cluster_weight": [1.0],
        "temperature": 0.1,
        **FEW_STEPS,
    },
    "scope": {"num_calibration": 16, "least_share": 0.5, "hidden_width": 8, **FEW_STEPS},
    "to-router": {"hidden_width": 8, "temperature": [0.5], **FEW_STEPS},
    "zooter": {"hidden_width": 8, "beta": [0.5], "temperature": 0.5, **FEW_STEPS},
}


def make_baseline(name):
    features = {} if name in ("best-single", "random") else {"features": "normalised"}
    return lambda profiles: build_router(name, names(profiles), BASELINES[name] | features, seed=3)


ROUTERS = {
    "arms": lambda profiles: make_router(profiles, image=WHOLE, text=WHOLE),
    "arms with dropout, the head alone": lambda profiles: make_router(
        profiles, image=WHOLE, text=WHOLE, router={"dropout": 0.3}, train={"trains": "head"}
    ),
    "cascade": make_cascade,
    **{name: make_baseline(name) for name in BASELINES},
}
# Those that have nothing to choose on val, and no confidences to fit there.
WITHOUT_CHOICE = {"arms", "arms with dropout, the head alone", "cascade", "best-single", "random", "knn"}


def test_every_router_of_the_registry_is_held_to_the_contract():
    reads_answers = {name for name in REGISTRY if issubclass(find_router(name), OutputAwareRouter)}
    assert set(BASELINES) == set(REGISTRY) - reads_answers
    assert reads_answers == {"frugal-gpt", "pair-ranker"}, "they have a contract of their own"


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
            np.testing.assert_array_equal(queries.embeddings.text, same.embeddings.text)
            np.testing.assert_array_equal(queries.embeddings.image, same.embeddings.image)
            for field in ("image_rows", "text_rows"):
                np.testing.assert_array_equal(getattr(queries, field), getattr(same, field))
            np.testing.assert_array_equal(queries.images.arrays["pixels"], same.images.arrays["pixels"])
            np.testing.assert_array_equal(
                queries.texts.arrays["token_ids"].values, same.texts.arrays["token_ids"].values
            )

    def test_val_is_never_learnt_from(self, name, encoded):
        """A router that chooses nothing on val gives the same scores whatever is known there."""
        if name not in WITHOUT_CHOICE:
            pytest.skip("chooses its settings on val")
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

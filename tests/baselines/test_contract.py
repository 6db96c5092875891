"""What every router has to do, whatever it learns and however."""

import copy
from dataclasses import replace

import numpy as np
import pytest

from arms.baselines.registry import ROUTERS as REGISTRY
from arms.baselines.registry import build_router, find_router
from arms.routers.base import BaseRouter
from arms.routers.cascade import CascadeRouter
from arms.selection.select import ranking, select
from tests.fakes import NAMES, PROFILES, make_encoders, make_queries, make_router

WHOLE = {"tunable_layers": "all"}


def make_cascade(profiles):
    """Phi over all VLMs but the last one, Theta over that."""
    phi, theta_router = (make_router(part, image=WHOLE, text=WHOLE) for part in (profiles[:-1], profiles[-1:]))
    return CascadeRouter(phi, [theta_router], theta=0.5)


FEW_STEPS = {"epochs": 2, "batch_size": 16, "learning_rate": 0.01, "weight_decay": 0.0}
# Every router of the registry that asks no VLM, with settings for few queries.
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
    "latent-router": {
        "num_clusters": 2,
        "num_capsules": 2,
        "num_rounds": 1,
        "width": 8,
        "bound": [2.0],
        **FEW_STEPS,
    },
    "linear": {"targets": "soft", "penalty": 0.1, "c": [0.1, 1.0]},
    "matrix-factorisation": {"dimension": [4], **FEW_STEPS},
    "mlp": {"targets": "cheapest", "penalty": 0.0, "hidden_width": [8], **FEW_STEPS},
    "ovr": {"class_weights": "balanced", "c": [0.1, 1.0]},
    "prknn": {"num_neighbours": [3, 5], "weights": "distance", "index": "flat"},
    "prototypes": {},
    "prox-router": {
        "references": "queries",
        "num_references": [5, 3],
        "temperature": [0.1, 0.02],
        "pseudo_count": [0.0, 1.0],
        "index": "flat",
    },
    "prox-router of clusters": {
        "router": "prox-router",
        "references": "clusters",
        "num_references": [4, 2],
        "temperature": [0.1, 0.02],
        "pseudo_count": [0.0, 1.0],
        "index": "flat",
    },
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
    return lambda profiles: build_router(
        name, [profile.name for profile in profiles], BASELINES[name] | features, seed=3
    )


ROUTERS = {
    "arms": lambda profiles: make_router(profiles, image=WHOLE, text=WHOLE),
    "arms with dropout, only the head": lambda profiles: make_router(
        profiles, image=WHOLE, text=WHOLE, router={"dropout": 0.3}, train={"trains": "head"}
    ),
    "cascade": make_cascade,
    **{name: make_baseline(name) for name in BASELINES},
}
# Those that have nothing to choose on val, and no confidences to fit there.
WITHOUT_CHOICE = {"arms", "arms with dropout, only the head", "cascade", "best-single", "random", "knn"}


def test_every_router_of_the_registry_is_held_to_the_contract():
    ask = {name for name in REGISTRY if find_router(name).asks_vlms}
    assert {settings.get("router", name) for name, settings in BASELINES.items()} == set(REGISTRY) - ask
    assert ask == {"frugal-gpt", "pair-ranker"}, "they have a contract of their own"
    learn = {name for name in REGISTRY if find_router(name).learns_from_answers}
    assert learn == ask | {"to-router"}


@pytest.fixture(scope="module")
def labelled():
    """Training and val queries with embeddings; encoders made from one seed hand over the same at the cut."""
    encoders = make_encoders(image=WHOLE, text=WHOLE)
    return tuple(made.label(encoders, embeddings=True) for made in (make_queries(48), make_queries(24, seed=1)))


def holey(labelled):
    """A third of the outcomes unknown, and all those of the last VLM."""
    outcomes = labelled.outcomes.copy()
    outcomes[np.random.default_rng(0).random(outcomes.shape) < 0.3] = np.nan
    outcomes[:, -1] = np.nan
    return replace(labelled, outcomes=outcomes)


@pytest.mark.parametrize("name", ROUTERS)
class TestContract:
    def test_fit_returns_the_router_itself(self, name, labelled):
        router = ROUTERS[name](PROFILES)
        assert isinstance(router, BaseRouter)
        assert router.vlms == NAMES
        assert router.fit(labelled[0]) is router

    def test_scores_are_confidences(self, name, labelled):
        train, val = labelled
        scores = ROUTERS[name](PROFILES).fit(train, val).score(val.queries)
        assert scores.shape == (24, 3)
        assert scores.dtype == np.float32
        assert np.isfinite(scores).all()
        assert scores.min() >= 0
        assert scores.max() <= 1

    def test_missing_outcomes_are_allowed(self, name, labelled):
        train, val = map(holey, labelled)
        scores = ROUTERS[name](PROFILES).fit(train, val).score(val.queries)
        assert np.isfinite(scores).all()
        assert scores.min() >= 0
        assert scores.max() <= 1

    def test_no_outcome_known_at_all(self, name, labelled):
        train, val = (part.forget(np.full(len(part), True), NAMES) for part in labelled)
        assert np.isfinite(ROUTERS[name](PROFILES).fit(train, val).score(val.queries)).all()

    def test_a_fit_can_be_repeated(self, name, labelled):
        queries = labelled[1].queries
        one, other = (ROUTERS[name](PROFILES).fit(*labelled) for _ in range(2))
        np.testing.assert_array_equal(one.score(queries), other.score(queries))
        np.testing.assert_array_equal(one.score(queries), one.score(queries))

    def test_reordering_queries_reorders_scores(self, name, labelled):
        router, queries = ROUTERS[name](PROFILES).fit(labelled[0]), labelled[1].queries
        order = np.random.default_rng(0).permutation(len(queries))
        if name == "random":  # drawn by position in the table, not by query
            np.testing.assert_array_equal(router.score(queries.subset(order)), router.score(queries))
            return
        np.testing.assert_allclose(router.score(queries.subset(order)), router.score(queries)[order], atol=1e-5)
        alone = np.concatenate([router.score(queries.subset(np.array([i]))) for i in range(5)])
        np.testing.assert_allclose(alone, router.score(queries)[:5], atol=1e-5)

    def test_a_pool_of_one(self, name, labelled):
        count = 2 if name == "cascade" else 1  # each of its two routers has a pool of one
        train, val = (part.over(NAMES[:count]) for part in labelled)
        router = ROUTERS[name](PROFILES[:count]).fit(train, val)
        scores = router.score(val.queries)
        assert scores.shape == (24, count)
        assert select(scores, router.policy, router.vlms).max() < count

    def test_no_queries_no_scores(self, name, labelled):
        router = ROUTERS[name](PROFILES).fit(labelled[0])
        assert router.score(labelled[0].queries.subset(np.arange(0))).shape == (0, 3)

    def test_inputs_stay_as_they_are(self, name, labelled):
        given = tuple(map(holey, labelled))
        before = copy.deepcopy(given)
        ROUTERS[name](PROFILES).fit(*given).score(given[1].queries)
        for part, same in zip(given, before, strict=True):
            np.testing.assert_array_equal(part.outcomes, same.outcomes)
            queries, others = part.queries, same.queries
            assert queries.ids == others.ids
            np.testing.assert_array_equal(queries.embeddings.text, others.embeddings.text)
            np.testing.assert_array_equal(queries.embeddings.image, others.embeddings.image)
            for field in ("image_rows", "text_rows"):
                np.testing.assert_array_equal(getattr(queries, field), getattr(others, field))
            np.testing.assert_array_equal(queries.images.arrays["pixels"], others.images.arrays["pixels"])
            np.testing.assert_array_equal(
                queries.texts.arrays["token_ids"].values, others.texts.arrays["token_ids"].values
            )

    def test_val_is_never_learnt_from(self, name, labelled):
        """A router that chooses nothing on val gives the same scores whatever is known there."""
        if name not in WITHOUT_CHOICE:
            pytest.skip("chooses its settings on val")
        train, val = labelled
        scores = [
            ROUTERS[name](PROFILES).fit(train, some).score(val.queries)
            for some in (None, val, replace(val, outcomes=1 - val.outcomes))
        ]
        np.testing.assert_array_equal(scores[0], scores[1])
        np.testing.assert_array_equal(scores[0], scores[2])

    def test_the_policy_goes_with_the_scores(self, name, labelled):
        router, queries = ROUTERS[name](PROFILES).fit(labelled[0]), labelled[1].queries
        scores = router.score(queries)
        chosen = select(scores, router.policy, router.vlms)
        assert chosen.shape == (24,)
        assert (ranking(scores, router.policy, router.vlms)[:, 0] == chosen).all()
        table = router.scores(name, "base", queries)
        assert (table.query_ids, table.vlms, table.policy) == (queries.ids, NAMES, router.policy)
        np.testing.assert_array_equal(table.confidence, scores)
        assert table.asked is None, "it asks only the VLM that is chosen"

from dataclasses import replace

import numpy as np
import pytest
import torch

from arms.extension.strategies import enough_epochs, extend_incrementally, extend_independently, rehearse
from arms.params import IncrementalParams, IndependentParams
from arms.routers.arms import ArmsRouter
from arms.routers.cascade import CascadeRouter
from arms.selection.select import select
from tests.fakes import PROFILES, make_queries, make_router

WHOLE = {"tunable_layers": "all"}
TRAINING = {"epochs": 3, "min_steps": 1, "learning_rate": 0.005}
MADE, VAL = make_queries(48), make_queries(16, seed=1)


@pytest.fixture
def phi():
    """Phi over the first two VLMs."""
    router = make_router(PROFILES[:2], image=WHOLE, text=WHOLE, epochs=2)
    return router.fit(MADE.encode(router.encoders), MADE.outcomes[:, :2])


def state(router):
    return {name: value.clone() for name, value in router.net.state_dict().items()}


def same(one, other):
    return [name for name in one if torch.equal(one[name], other[name])]


class Watched:
    """Phi's weights, pool and scores, to be compared with what they are later."""

    def __init__(self, phi):
        self.phi = phi
        self.queries = VAL.encode(phi.encoders)
        self.state, self.vlms, self.scores = state(phi), phi.vlms, phi.score(self.queries)
        self.settings = (phi.train, phi.epochs, phi.on_epoch, phi.progress)

    def check(self):
        assert len(same(self.state, state(self.phi))) == len(self.state)
        assert self.phi.vlms == self.vlms
        np.testing.assert_array_equal(self.phi.score(self.queries), self.scores)
        assert self.settings == (
            self.phi.train,
            self.phi.epochs,
            self.phi.on_epoch,
            self.phi.progress,
        )


def incrementally(phi, trains="all", outcomes=MADE.outcomes, **changes):
    logs, steps = [], []
    router = extend_incrementally(
        phi,
        PROFILES,
        MADE.encode(phi.encoders),
        outcomes,
        VAL.encode(phi.encoders),
        VAL.outcomes,
        IncrementalParams(**{"trains": trains, **TRAINING, "rehearsal_share": 1.0, **changes}),
        on_epoch=logs.append,
        progress=lambda *step: steps.append(step),
    )
    return router, logs, steps


class TestIncremental:
    @pytest.mark.parametrize("trains", ["all", "head"])
    def test_phi_stays_as_it_was(self, phi, trains):
        watched = Watched(phi)
        incrementally(phi, trains)
        watched.check()

    def test_it_covers_the_extended_pool(self, phi):
        router, logs, steps = incrementally(phi)
        assert isinstance(router, ArmsRouter)
        assert router.vlms == ("counter-2b", "reader-7b", "painter")
        scores = router.score(VAL.encode(router.encoders))
        assert scores.shape == (16, 3)
        assert select(scores, router.policy, router.vlms).shape == (16,)
        assert [log.epoch for log in logs] == [1, 2, 3]
        assert logs[-1].train_loss < logs[0].train_loss
        assert steps[-1] == (9, 9)
        assert (router.train.learning_rate, router.train.batch_size) == (0.005, phi.train.batch_size)

    def test_it_starts_from_phi(self, phi):
        router, _, _ = incrementally(phi, learning_rate=1e-12)
        queries = VAL.encode(phi.encoders)
        np.testing.assert_allclose(router.score(queries)[:, :2], phi.score(queries), atol=1e-5)

    def test_which_parts_train(self, phi):
        router, _, _ = incrementally(phi, "head")
        unchanged = same(state(phi), state(router))
        assert set(unchanged) == {name for name in state(phi) if "tail" in name}
        router, _, _ = incrementally(phi, "all")
        assert not same(state(phi), state(router))

    def test_without_outcomes_of_the_new_vlm_it_is_scored_from_its_profile(self, phi):
        outcomes = MADE.outcomes.copy()
        outcomes[:, 2] = np.nan
        router, logs, _ = incrementally(phi, outcomes=outcomes)
        assert router.vlms == ("counter-2b", "reader-7b", "painter")
        assert not logs
        assert len(same(state(phi), state(router))) == len(state(phi))

    def test_what_was_not_rehearsed_is_not_trained_on(self, phi):
        """The old outcomes teach with a share of 1 and do not with a share of 0."""
        wrong = MADE.outcomes.copy()
        wrong[:, :2] = 1 - wrong[:, :2]
        found = {
            (share, name): incrementally(phi, outcomes=outcomes, rehearsal_share=share)[0]
            for share in (0.0, 1.0)
            for name, outcomes in (("true", MADE.outcomes), ("wrong", wrong))
        }
        for share, alike in ((0.0, True), (1.0, False)):
            one, other = (state(found[share, name]) for name in ("true", "wrong"))
            assert (len(same(one, other)) == len(one)) == alike


def independently(phi, theta=0.6, epochs=2, **settings):
    queries, val = MADE.encode(first(phi).encoders), VAL.encode(first(phi).encoders)
    new = settings.pop("profiles", PROFILES[2:])
    return extend_independently(
        phi,
        new,
        queries,
        MADE.outcomes[:, 2:],
        val,
        VAL.outcomes[:, 2:],
        IndependentParams(**TRAINING | {"epochs": epochs, "start": "phi"}),
        theta=theta,
        on_epoch=lambda log: None,
        progress=lambda done, total: None,
        **settings,
    )


def first(phi):
    return phi.phi if isinstance(phi, CascadeRouter) else phi


class TestIndependent:
    def test_phi_stays_as_it_was(self, phi):
        watched = Watched(phi)
        independently(phi)
        watched.check()

    def test_it_is_a_cascade_of_both(self, phi):
        cascade = independently(phi)
        assert isinstance(cascade, CascadeRouter)
        assert cascade.policy == {"name": "cascade", "theta": 0.6, "pools": [["counter-2b", "reader-7b"], ["painter"]]}
        assert cascade.vlms == ("counter-2b", "reader-7b", "painter")
        assert cascade.phi is phi
        queries = VAL.encode(phi.encoders)
        np.testing.assert_array_equal(cascade.score(queries)[:, :2], phi.score(queries))
        np.testing.assert_array_equal(cascade.score(queries)[:, 2:], cascade.thetas[0].score(queries))

    def test_theta_from_nothing_learns_from_the_new_vlms_alone(self, phi):
        """Whatever Phi knows."""
        untuned = make_router(image=WHOLE, text=WHOLE).encoders
        theta_router = independently(phi, untuned=untuned).thetas[0]
        alone = make_router(
            PROFILES[2:],
            image=WHOLE,
            text=WHOLE,
            epochs=2,
            train=dict.fromkeys(("learning_rate", "tail_learning_rate"), 0.005),
        )
        alone.fit(MADE.encode(alone.encoders), MADE.outcomes[:, 2:])
        assert len(same(state(alone), state(theta_router))) == len(state(alone))

    def test_theta_starts_from_phi_where_nothing_else_is_asked_for(self, phi):
        phi.fit(MADE.encode(phi.encoders), MADE.outcomes[:, :2])
        slow = IndependentParams(epochs=1, min_steps=1, learning_rate=1e-12, start="phi")
        queries = MADE.encode(phi.encoders)
        cascade = extend_independently(
            phi, PROFILES[2:], queries, MADE.outcomes[:, 2:], None, None, slow,
            theta=0.5, on_epoch=lambda log: None, progress=lambda done, total: None,
        )  # fmt: skip
        expected = phi.over(PROFILES[2:]).score(queries)
        np.testing.assert_allclose(cascade.thetas[0].score(queries), expected, atol=1e-5)

    def test_a_cascade_gets_one_more(self, phi):
        cascade = independently(phi)
        other = replace(PROFILES[2], name="sculptor")
        longer = independently(cascade, profiles=[other])
        assert longer.vlms == ("counter-2b", "reader-7b", "painter", "sculptor")
        assert longer.thetas[0] is cascade.thetas[0]
        assert len(cascade.thetas) == 1


class TestRehearse:
    def test_a_share_of_the_images_keeps_its_old_outcomes(self):
        outcomes, images = np.ones((40, 3), np.float32), np.repeat(np.arange(20), 2)
        rehearsed = rehearse(outcomes, 2, images, 0.25, seed=1)
        kept = ~np.isnan(rehearsed[:, 0])
        assert kept.sum() == 10
        assert all(kept[images == image].all() or not kept[images == image].any() for image in range(20))
        np.testing.assert_array_equal(np.isnan(rehearsed[:, 1]), ~kept)
        assert not np.isnan(rehearsed[:, 2]).any()
        assert not np.isnan(outcomes).any(), "the table handed in stays as it was"

    @pytest.mark.parametrize(("share", "kept"), [(0.0, 0), (1.0, 40)])
    def test_none_and_all(self, share, kept):
        rehearsed = rehearse(np.ones((40, 3), np.float32), 2, np.arange(40), share, seed=1)
        assert (~np.isnan(rehearsed[:, :2])).sum() == 2 * kept


@pytest.mark.parametrize(
    ("num_queries", "epochs"), [(0, 100), (1, 100), (16, 100), (64, 100), (65, 50), (1000, 7), (6400, 3)]
)
def test_few_outcomes_are_gone_over_more_often(num_queries, epochs):
    assert enough_epochs(num_queries, batch_size=64, epochs=3, min_steps=100) == epochs

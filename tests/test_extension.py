import numpy as np
import pytest
import torch

from arms.extension import extend_incrementally, extend_independently
from arms.params import IncrementalParams
from arms.routers.arms import ArmsRouter
from arms.routers.cascade import CascadeRouter
from arms.selection import select
from tests.fakes import PROFILES, make_queries, make_router

WHOLE = {"tunable_layers": "all"}
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


def incrementally(phi, trains="all", **changes):
    logs, steps = [], []
    router = extend_incrementally(
        phi,
        PROFILES,
        MADE.encode(phi.encoders),
        MADE.outcomes,
        VAL.encode(phi.encoders),
        VAL.outcomes,
        IncrementalParams(**{"trains": trains, "epochs": 3, "learning_rate": 0.005, **changes}),
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


def independently(phi, theta=0.6):
    theta_router = make_router(PROFILES[2:], image=WHOLE, text=WHOLE, epochs=2)
    queries, val = MADE.encode(phi.encoders), VAL.encode(phi.encoders)
    return extend_independently(
        phi, theta_router, queries, MADE.outcomes[:, 2:], val, VAL.outcomes[:, 2:], theta=theta
    ), theta_router


class TestIndependent:
    def test_phi_stays_as_it_was(self, phi):
        watched = Watched(phi)
        independently(phi)
        watched.check()

    def test_it_is_a_cascade_of_both(self, phi):
        cascade, theta_router = independently(phi)
        assert isinstance(cascade, CascadeRouter)
        assert cascade.policy == {"name": "cascade", "theta": 0.6, "base": ["counter-2b", "reader-7b"]}
        assert cascade.vlms == ("counter-2b", "reader-7b", "painter")
        assert cascade.phi is phi
        queries = VAL.encode(phi.encoders)
        np.testing.assert_array_equal(cascade.score(queries)[:, :2], phi.score(queries))
        np.testing.assert_array_equal(cascade.score(queries)[:, 2:], theta_router.score(queries))

    def test_theta_learns_from_the_new_vlms_alone(self, phi):
        _, theta_router = independently(phi)
        alone = make_router(PROFILES[2:], image=WHOLE, text=WHOLE, epochs=2)
        alone.fit(MADE.encode(alone.encoders), MADE.outcomes[:, 2:])
        assert len(same(state(alone), state(theta_router))) == len(state(alone))

import numpy as np
import pytest
import torch

from arms.routers.base import Router
from arms.routers.cascade import CascadeRouter
from arms.selection import select
from tests.fakes import PROFILES, make_queries, make_router

WHOLE = {"tunable_layers": "all"}
MADE = make_queries(32)


def make_cascade(theta=0.5):
    phi, theta_router = (make_router(part, image=WHOLE, text=WHOLE) for part in (PROFILES[:2], PROFILES[2:]))
    return CascadeRouter(phi, theta_router, theta=theta)


@pytest.fixture
def queries():
    return MADE.encode(make_router(image=WHOLE, text=WHOLE).encoders)


def test_scores_stand_side_by_side(queries):
    cascade = make_cascade().fit(queries, MADE.outcomes)
    scores = cascade.score(queries)
    np.testing.assert_array_equal(scores[:, :2], cascade.phi.score(queries))
    np.testing.assert_array_equal(scores[:, 2:], cascade.theta_router.score(queries))
    assert cascade.vlms == ("counter-2b", "reader-7b", "painter")


def test_each_learns_from_its_own_outcomes(queries):
    cascade = make_cascade()
    logs = [], []
    cascade.phi.on_epoch, cascade.theta_router.on_epoch = (log.append for log in logs)
    cascade.fit(queries, MADE.outcomes, queries, MADE.outcomes)
    assert all(log[0].val_loss > 0 for log in logs)
    alone = make_router(PROFILES[:2], image=WHOLE, text=WHOLE).fit(queries, MADE.outcomes[:, :2])
    np.testing.assert_array_equal(cascade.phi.score(queries), alone.score(queries))
    alone = make_router(PROFILES[2:], image=WHOLE, text=WHOLE).fit(queries, MADE.outcomes[:, 2:])
    np.testing.assert_array_equal(cascade.theta_router.score(queries), alone.score(queries))


def test_the_policy_is_algorithm_1(queries):
    cascade = make_cascade(theta=0.4).fit(queries, MADE.outcomes)
    assert cascade.policy == {"name": "cascade", "theta": 0.4, "base": ["counter-2b", "reader-7b"]}
    scores = cascade.score(queries)
    chosen = select(scores, cascade.policy, cascade.vlms)
    sure = scores[:, :2].max(axis=1) > np.float32(0.4)
    expected = np.where(sure, scores[:, :2].argmax(axis=1), scores.argmax(axis=1))
    np.testing.assert_array_equal(chosen, expected)


def test_save_and_load(queries, tmp_path):
    cascade = make_cascade(theta=0.3).fit(queries, MADE.outcomes)
    cascade.save(tmp_path / "cascade")
    assert sorted(path.name for path in (tmp_path / "cascade").iterdir()) == [
        "model.safetensors",
        "phi",
        "router.json",
        "theta",
    ]
    read = Router.load(tmp_path / "cascade", device="cpu")
    assert isinstance(read, CascadeRouter)
    assert (read.vlms, read.policy) == (cascade.vlms, cascade.policy)
    np.testing.assert_array_equal(read.score(queries), cascade.score(queries))
    phi = Router.load(tmp_path / "cascade/phi", device="cpu")  # a router by itself
    assert torch.equal(phi.net.gate.project.weight, cascade.phi.net.gate.project.weight)
    routes = [router.route(MADE.pictures[0], MADE.questions[0]) for router in (read, cascade)]
    assert routes[0] == routes[1]

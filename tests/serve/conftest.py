"""One server of VLMs for all tests here, and a gateway before it."""

import pytest

from tests.serve.helpers import running, serving, settings_of
from tests.serve.upstream import FakeUpstream


@pytest.fixture(scope="session")
def started_upstream():
    upstream = FakeUpstream()
    with running(upstream.server):
        yield upstream


@pytest.fixture
def upstream(started_upstream):
    started_upstream.reset()
    yield started_upstream
    started_upstream.rest()


@pytest.fixture(scope="module")
def shared(started_upstream):
    """A gateway with what most tests want."""
    policies = {"thrifty": {"name": "cheapest", "tau": 0.1, "of": "cost"}}
    settings = settings_of(
        started_upstream.url,
        policies=policies,
        breaker={"failures": 1000},
        keep={"outputs": True},
    )
    with serving(settings) as gateway:
        yield gateway


@pytest.fixture
def gateway(shared, upstream):
    shared.memory.__init__()
    shared.router.__init__()
    yield shared
    shared.rest()

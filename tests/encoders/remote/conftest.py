"""A server on loopback, and its key in the environment."""

import pytest

from arms.encoders import origins
from arms.encoders.remote.pinned import pinned_server
from tests.encoders.remote.fake_server import KEY, fake_server


@pytest.fixture
def fake(monkeypatch):
    """The server; nothing that a test before asked or named is known."""
    monkeypatch.setenv("ARMS_TEST_KEY", KEY)
    monkeypatch.setattr(origins, "_servers", [])
    monkeypatch.setattr(origins, "_projects", set())
    pinned_server.cache_clear()
    with fake_server() as state:
        yield state


@pytest.fixture
def waits(monkeypatch):
    """The seconds waited between tries, which pass at once."""
    seconds = []
    monkeypatch.setattr("arms.encoders.remote.server._pause", seconds.append)
    return seconds

"""Stores for the tests of the memory."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy")

from sqlalchemy import create_engine

from arms.traffic.places import driver_url
from arms.traffic.tables import METADATA
from tests.serve.memory.postgres import GIVEN, Server


@pytest.fixture
def server() -> Iterator[Server]:
    """A PostgreSQL server that the test may kill."""
    started = Server()
    yield started
    started.remove()


@pytest.fixture(scope="session")
def shared_url() -> Iterator[str]:
    """A database of PostgreSQL that the tests share."""
    if given := os.environ.get(GIVEN):
        yield given
        return
    started = Server()
    yield started.url
    started.remove()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a memory may be made: a file, and in the long tests a database without tables."""
    if request.param == "sqlite":
        return str(tmp_path / "memory.db")
    url = request.getfixturevalue("shared_url")
    engine = create_engine(driver_url(url))
    METADATA.drop_all(engine)
    engine.dispose()
    return url

"""Fixtures: an S3 server on this machine, behind a proxy that injects faults."""

from uuid import uuid4

import pytest

from arms.data.storage.bucket import RETRIES
from arms.data.storage.cache import FOLDER
from tests.object_server import BUCKET, environment, faulty_s3


@pytest.fixture(scope="session")
def s3_server():
    """The proxy before the server, and its port."""
    with faulty_s3() as started:
        yield started


@pytest.fixture
def s3(s3_server, monkeypatch, tmp_path):
    """The proxy, without faults; clients of this process use it, with a cache of their own."""
    proxy, port = s3_server
    proxy.heal()
    for name, value in environment(port).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv(FOLDER, str(tmp_path / "cache"))
    monkeypatch.setenv(RETRIES, "4")
    yield proxy
    proxy.heal()


@pytest.fixture
def url(s3):
    """A place that nothing was written to."""
    return f"s3://{BUCKET}/{uuid4().hex}"

"""Set before anything heavy is imported; and which tests stay together when several processes run them."""

import os
from pathlib import Path

import pytest

# The nets here are so small that threads only get in each other's way.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# No test needs a network, and none waits for one.
os.environ.setdefault("HF_HUB_OFFLINE", "1")

pytest_plugins = ["tests.pipeline"]

_PIPELINE = {"docs", "stages"}  # the folders of the tests that share one clone of the project


@pytest.hookimpl(tryfirst=True)  # pytest-xdist reads the groups in the same hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a file in one process, and all that share the clone too."""
    for item in items:
        folder = item.path.relative_to(Path(__file__).parent).parts[0]
        group = "pipeline" if folder in _PIPELINE else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))

"""Set before anything heavy is imported; and which tests stay together when several processes run them."""

import os
from typing import Any

import pytest

# The nets here are so small that threads only get in each other's way.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# No test needs a network, and none waits for one.
os.environ.setdefault("HF_HUB_OFFLINE", "1")

pytest_plugins = ["tests.pipeline"]

_SHARING = ("tests/docs/", "tests/stages/")  # the folders of the tests that share one clone of the project


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Under `-n`: the tests of a file stay in one process, and all that share the clone too."""
    from xdist.scheduler import LoadScopeScheduling

    class ByClone(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return "clone" if file.startswith(_SHARING) else file

    return ByClone(config, log)

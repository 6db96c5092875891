"""Chromium for the tests of the page, and a router that says why."""

import os
import shutil
from contextlib import contextmanager

import pytest

from arms.safe.why import Neighbour, Why
from tests.serve.helpers import FakeRouter

GIVEN = "ARMS_TEST_CHROMIUM"  # the path of a Chromium, instead of the one that is found
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def chromium():
    """A browser with a profile of its own."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install 'arms[dev]'")
    program = os.environ.get(GIVEN) or next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        pytest.skip(f"needs Chromium on the PATH, such as Debian's package chromium, or its path in {GIVEN}")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(_FLAGS))
        yield browser
        browser.close()


class TellingRouter(FakeRouter):
    """Says why: the nearest training queries are those of `tests.serve.page.test_neighbours.folder`."""

    def explain(self, queries):
        neighbours = (
            Neighbour("a/b 1", 0.9, ("alpha",), ("beta", "gamma")),
            Neighbour("silent", 0.5, (), ("alpha",)),
            Neighbour("gone", 0.4, ("beta",), ()),
        )
        return [Why(0.125, 0.75, "beta", "alpha", 0.8, "neighbours", neighbours) for _ in queries]

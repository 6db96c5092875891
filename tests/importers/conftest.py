"""Fixtures for the tests of all importers."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from tests.data.conftest import make_dataset as make_dataset
from tests.importers.helpers import Imported, load_log


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Imported]:
    """Imports some sources into tmp_path/out: load(importer, *sources, options=...)."""
    return lambda *args, **options: load_log(tmp_path / "out", *args, **options)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What progress is announced: label, done and total."""
    seen: list[tuple[Any, ...]] = []
    monkeypatch.setattr(
        "arms.progress._show", lambda label, unit: nullcontext(lambda *done: seen.append((label, *done)))
    )
    return seen

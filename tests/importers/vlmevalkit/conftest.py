"""A log of VLMEvalKit for its tests to fill."""

from pathlib import Path

import pytest

from tests.importers.logs.vlmevalkit_case import Log


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path)

"""What the stages share."""

import logging

import pytest

from stages.workspace import stage


@pytest.fixture
def levels(monkeypatch):
    """The loggers' levels as they are, put back afterwards."""
    for name in ("arms", "stages", "studies", "arms.encoders.text"):
        monkeypatch.setattr(logging.getLogger(name), "level", logging.NOTSET)


@pytest.mark.parametrize(("name", "said"), [("encode", True), ("train", False)])
def test_one_stage_says_which_texts_are_cut(levels, name, said):
    with stage(name):
        assert logging.getLogger("arms.encoders.text").isEnabledFor(logging.WARNING) is said

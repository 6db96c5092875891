"""Encoding a project's own pictures and questions by the bundled encoders, as the stage `encode` does it."""

from collections.abc import Callable

from arms.data.prepared import read_prepared
from stages.encode import encode
from stages.workspace import open_workspace


def encoding_images() -> Callable[[], object]:
    """Every distinct picture, decoded and encoded."""
    return _encoding("image")


def encoding_texts() -> Callable[[], object]:
    """Every distinct question, encoded."""
    return _encoding("text")


def _encoding(modality: str) -> Callable[[], object]:
    return lambda: encode(workspace := open_workspace(), read_prepared(workspace.prepared), modality)

"""The pinned vector of a probe text: how it is written in settings, and how far another one is from it."""

import base64
import binascii

import numpy as np

from arms.errors import ArmsError

_NUMBER = np.dtype("<f2")  # rounding moves a vector by less than 0.0005 of its length


def write_pin(vector_D: np.ndarray) -> str:
    """A vector as settings pin it: base64 of its numbers in float16."""
    return base64.b64encode(vector_D.astype(_NUMBER).tobytes()).decode()


def read_pin(pin: str) -> np.ndarray:
    """The vector that settings pin: shape (D,), float32.

    Raises
    ------
    ArmsError
        If it is not what `write_pin` writes.
    """
    try:
        vector_D = np.frombuffer(base64.b64decode(pin, validate=True), dtype=_NUMBER).astype(np.float32)
        if not len(vector_D) or not np.isfinite(vector_D).all() or not vector_D.any():
            raise ValueError("no finite numbers, or only zeros")
    except (binascii.Error, ValueError) as error:
        raise ArmsError(
            f"text.probe.vector: expected base64 of float16 numbers, as a first run prints it, got {pin[:40]!r}: "
            f"{error}; set it to null for a new one"
        ) from error
    return vector_D


def distance(vector_D: np.ndarray, pinned_D: np.ndarray) -> float:
    """How far a vector is from the pinned one, as a share of the pinned one's length."""
    return float(np.linalg.norm(vector_D - pinned_D) / np.linalg.norm(pinned_D))

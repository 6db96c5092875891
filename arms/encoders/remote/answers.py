"""Reading what a server answers to `POST /v1/embeddings`: one vector for each text, in the order of the texts."""

import base64
import binascii
import json
from typing import Any

import numpy as np

from arms.errors import ArmsError

_FLOAT = np.dtype("<f4")  # of base64


def read_vectors(content: bytes, num: int, where: str) -> np.ndarray:
    """The vectors of an answer, sorted by the index that each comes with.

    Parameters
    ----------
    content : bytes
        The body, as JSON; a vector is a list of numbers, or base64 of float32 numbers.
    num : int
        How many texts were sent.
    where : str
        The server, for messages.

    Returns
    -------
    ndarray of shape (num, D), float32

    Raises
    ------
    ArmsError
        If it is another answer, a vector is missing or comes twice, they differ in width, or one is not finite.
    """
    listed = _listed(content, where)
    if len(listed) != num:
        raise ArmsError(f"{where}: expected {num} vectors, one for each text, got {len(listed)}")
    indices = [entry.get("index") for entry in listed]
    if sorted(index for index in indices if isinstance(index, int)) != list(range(num)):
        raise ArmsError(f"{where}: expected each index from 0 to {num - 1} once, got {_shortened(indices)}")
    vectors = [_numbers(entry.get("embedding"), where) for entry in sorted(listed, key=lambda entry: entry["index"])]
    if len(widths := sorted({len(vector) for vector in vectors})) != 1 or not widths[0]:
        raise ArmsError(f"{where}: expected vectors of one width, got widths {_shortened(widths)}")
    vectors_ND = np.stack(vectors)
    if not np.isfinite(vectors_ND).all():
        raise ArmsError(f"{where}: expected finite numbers, got NaN or infinity")
    return vectors_ND


def read_model(content: bytes) -> str | None:
    """What the server calls the model that answered, if it says so."""
    try:
        named = json.loads(content).get("model")
    except (ValueError, AttributeError):
        return None
    return named if isinstance(named, str) else None


def _listed(content: bytes, where: str) -> list[dict[str, Any]]:
    try:
        listed = json.loads(content)["data"]
        if not all(isinstance(entry, dict) for entry in listed):
            raise TypeError("an entry is not an object")
    except (ValueError, KeyError, TypeError) as error:
        got = _shortened(content.decode(errors="replace"))
        raise ArmsError(
            f"{where}: expected JSON with a list `data` of objects, got {got}; "
            "is server.url the address of an OpenAI-compatible server, up to /v1?"
        ) from error
    return list(listed)


def _numbers(embedding: Any, where: str) -> np.ndarray:
    try:
        if isinstance(embedding, str):
            return np.frombuffer(base64.b64decode(embedding, validate=True), dtype=_FLOAT).astype(np.float32)
        if not isinstance(embedding, list):
            raise TypeError(f"a {type(embedding).__name__}")
        with np.errstate(over="ignore"):  # a number too large for float32 becomes infinite, which is refused later
            vector_D = np.asarray(embedding, dtype=np.float32)
        if vector_D.ndim != 1:
            raise TypeError("a list of lists")
        return vector_D
    except (binascii.Error, ValueError, TypeError) as error:
        raise ArmsError(f"{where}: expected a list of numbers or base64 of float32, got {error}") from error


def _shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:120]}..."

"""What becomes of texts that are longer than an encoder reads.

The middle is left out: a long question is mostly an instruction, a passage or options, and the line that asks stands at
its beginning or its end. Routers that were trained when the end was cut off keep doing so.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from arms.errors import ArmsError

Shortening = Literal["middle", "end"]

# In a text encoder's fingerprint; the number grows when the same text would become other tokens. Without this key a
# text lost its end.
_KEY = "shortening"
_MIDDLE = "middle 1"

_CHARACTERS = 64  # per token of the limit, kept of either end before tokenising: far more than tokens are long


def shortening_of(fingerprint: Mapping[str, Any]) -> Shortening:
    """How the texts behind a fingerprint were shortened.

    Raises
    ------
    ArmsError
        If this version of ARMS does not know it.
    """
    found = fingerprint.get(_KEY)
    if found not in (None, _MIDDLE):
        raise ArmsError(
            f"text encoder: expected long texts shortened as {_MIDDLE!r} or at the end, got {found!r}; use the version "
            "of ARMS that made it, or a newer one"
        )
    return "end" if found is None else "middle"


def describe_shortening(shortening: Shortening) -> dict[str, Any]:
    """What a fingerprint says of it."""
    return {_KEY: _MIDDLE} if shortening == "middle" else {}


def shorten_text(text: str, max_tokens: int) -> str:
    """A text without the middle that no tokens could be of, so that one of millions of characters takes no time."""
    kept = _CHARACTERS * max_tokens
    return text if len(text) <= 2 * kept else f"{text[:kept]} {text[-kept:]}"


def shorten_ids(ids: Sequence[int], max_tokens: int) -> np.ndarray:
    """Word pieces, the special ones at both ends included, without those in the middle that are too many.

    Parameters
    ----------
    ids : sequence of T int
    max_tokens : int, at least 1

    Returns
    -------
    ndarray of shape (at most max_tokens,), int32
        Of an odd number the front keeps one more.
    """
    whole = np.asarray(ids, dtype=np.int32)
    if len(whole) <= max_tokens:
        return whole
    back = max_tokens // 2
    return np.concatenate([whole[: max_tokens - back], whole[len(whole) - back :]])

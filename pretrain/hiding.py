"""Pieces of texts hidden, for the text tower to fill in."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from tokenizers import Encoding, Tokenizer

from arms.features.arrays import Ragged

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")  # the first of every vocabulary
_NOT_TARGET = -100
_SHARE_MASKED, _SHARE_RANDOM = 0.8, 0.1  # of the chosen pieces; the rest stay as they are, as BERT has it


class Hidden(NamedTuple):
    """N texts with pieces hidden: what is seen of them, of shape (N, T), and what was there.

    Where no piece was hidden, the target is a number below 0.
    """

    token_ids: np.ndarray
    mask: np.ndarray
    targets: np.ndarray


def untouched(encodings: Sequence[Encoding]) -> Hidden:
    """Texts with nothing hidden."""
    token_ids, mask = _pad(encodings)
    return Hidden(token_ids, mask, np.full_like(token_ids, _NOT_TARGET))


def mask_pieces(encodings: Sequence[Encoding], tokenizer: Tokenizer, share: float, rng: np.random.Generator) -> Hidden:
    """Hide a share of the pieces as BERT does (Devlin et al., arXiv:1810.04805, appendix A.1)."""
    token_ids, mask = _pad(encodings)
    chosen = _ordinary(token_ids, mask) & (rng.random(token_ids.shape) < share)
    kind = rng.random(token_ids.shape)
    seen = np.where(chosen & (kind < _SHARE_MASKED), SPECIAL.index("[MASK]"), token_ids)
    random = chosen & (kind >= _SHARE_MASKED) & (kind < _SHARE_MASKED + _SHARE_RANDOM)
    seen = np.where(random, rng.integers(len(SPECIAL), tokenizer.get_vocab_size(), token_ids.shape), seen)
    return Hidden(seen, mask, np.where(chosen, token_ids, _NOT_TARGET))


def hide_pieces(
    encodings: Sequence[Encoding], answers: Sequence[int | None], share: float, rng: np.random.Generator
) -> Hidden:
    """Hide answers whole, and of texts without one a share of the pieces.

    Parameters
    ----------
    encodings : sequence of N Encoding
    answers : sequence of N int or None
        The character where the text's answer begins.
    """
    token_ids, mask = _pad(encodings)
    chosen = rng.random(token_ids.shape) < share
    for row, (encoding, start) in enumerate(zip(encodings, answers, strict=True)):
        if start is not None:
            chosen[row, : len(encoding.ids)] = [begin >= start for begin, _ in encoding.offsets]
    chosen &= _ordinary(token_ids, mask)
    return Hidden(np.where(chosen, SPECIAL.index("[MASK]"), token_ids), mask, np.where(chosen, token_ids, _NOT_TARGET))


def _pad(encodings: Sequence[Encoding]) -> tuple[np.ndarray, np.ndarray]:
    return Ragged.join([np.asarray(encoding.ids) for encoding in encodings]).pad(np.arange(len(encodings)))


def _ordinary(token_ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return mask & (token_ids >= len(SPECIAL))

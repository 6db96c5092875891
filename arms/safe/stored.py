"""The memory as tensors, for a checkpoint."""

import numpy as np
import torch
from torch import Tensor

from arms.baselines.neighbours import IndexKind
from arms.safe.memory import Memory

_UNKNOWN = -1
_SEPARATOR = "\n"
_CENTRES = ("text_centre", "image_centre", "pair_centre")  # the last one with a joint encoder


def memory_tensors(memory: Memory) -> dict[str, Tensor]:
    """Vectors in float16 (an inner product changes by 0.001 at most), outcomes as int8, the ids as UTF-8 bytes."""
    ids = np.frombuffer(_SEPARATOR.join(memory.ids).encode(), dtype=np.uint8).copy()
    return {
        "vectors": torch.from_numpy(memory.vectors.astype(np.float16)),
        **{name: torch.from_numpy(centre) for name, centre in zip(_CENTRES, memory.centres, strict=False)},
        "outcomes": torch.from_numpy(np.nan_to_num(memory.outcomes, nan=_UNKNOWN).astype(np.int8)),
        "ids": torch.from_numpy(ids),
    }


def memory_from_tensors(tensors: dict[str, Tensor], index: IndexKind) -> Memory:
    """What `memory_tensors` made."""
    outcomes = tensors["outcomes"].numpy().astype(np.float32)
    outcomes[outcomes == _UNKNOWN] = np.nan
    return Memory(
        tuple(tensors["ids"].numpy().tobytes().decode().split(_SEPARATOR)),
        tensors["vectors"].numpy().astype(np.float32),
        tuple(tensors[name].numpy() for name in _CENTRES if name in tensors),
        outcomes,
        index,
    )

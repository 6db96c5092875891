"""What a baseline has learnt from, as tensors: queries by their embeddings, with what is recorded about VLMs."""

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import torch
from torch import Tensor

from arms.features.labelled import Labelled
from arms.features.loader import Features, Queries
from arms.features.pooled import Embeddings

_SEPARATOR = "\n"
_NO_FEATURES = Features({}, {})
_ARRAYS = ("outcomes", "costs", "profiles", "scenes")  # of Labelled


def learnt_tensors(labelled: Labelled, *, embeddings: bool) -> dict[str, Tensor]:
    """Queries with outcomes, but without what encoders would need, and without the VLMs' answers.

    Parameters
    ----------
    embeddings : bool
        False for a router that reads no queries.
    """
    queries = labelled.queries
    arrays = {name: getattr(labelled, name) for name in _ARRAYS}
    arrays |= {"image_rows": queries.image_rows, "text_rows": queries.text_rows, "ids": _bytes(queries.ids)}
    if labelled.tags is not None:
        arrays["tags"] = _bytes(labelled.tags.tolist())
    if embeddings and queries.embeddings is not None:
        arrays |= asdict(queries.embeddings)
    return {name: torch.from_numpy(np.array(array)) for name, array in arrays.items() if array is not None}


def learnt_from_tensors(tensors: dict[str, Tensor], vlms: Sequence[str]) -> Labelled:
    """What `learnt_tensors` made."""
    arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
    embeddings = Embeddings(arrays["text"], arrays["image"], arrays.get("pair")) if "text" in arrays else None
    queries = Queries(
        _texts(arrays["ids"]), _NO_FEATURES, _NO_FEATURES, arrays["image_rows"], arrays["text_rows"], embeddings
    )
    return Labelled(
        queries,
        tuple(vlms),
        arrays["outcomes"],
        costs=arrays.get("costs"),
        tags=np.array(_texts(arrays["tags"])) if "tags" in arrays else None,
        profiles=arrays.get("profiles"),
        scenes=arrays.get("scenes"),
    )


def _bytes(texts: Sequence[str]) -> np.ndarray:
    """Texts as UTF-8, one a line; a text of several lines is written on one."""
    return np.frombuffer(_SEPARATOR.join(" ".join(text.splitlines()) for text in texts).encode(), dtype=np.uint8)


def _texts(utf8: np.ndarray) -> tuple[str, ...]:
    return tuple(utf8.tobytes().decode().split(_SEPARATOR))

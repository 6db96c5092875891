"""Where a training run stands after each epoch, on disk, so that one that was killed goes on to the same weights."""

import hashlib
import json
import logging
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from arms.data.atomic import atomic_file

logger = logging.getLogger(__name__)


class Snapshot:
    """One file, which is taken up only by the run that would have come to it.

    Parameters
    ----------
    file : Path or None
        None keeps nothing.
    identity : str
        Hash of all that the run's result depends on; see `identify`.
    """

    def __init__(self, file: Path | None, identity: str) -> None:
        self.file, self.identity = file, identity

    def load(self) -> dict[str, Any] | None:
        """The state that was saved last; None if there is none, or it is another run's or damaged."""
        if self.file is None or not self.file.is_file():
            return None
        try:
            content = torch.load(self.file, map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError):
            logger.warning("%s cannot be read; training starts anew", self.file)
            return None
        if content.get("identity") != self.identity:
            logger.info("%s is of a run with other settings or data; training starts anew", self.file)
            return None
        return content["state"]

    def save(self, state: dict[str, Any]) -> None:
        """Replace what was saved, whole or not at all."""
        if self.file is not None:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with atomic_file(self.file) as draft:
                torch.save({"identity": self.identity, "state": state}, draft)

    def remove(self) -> None:
        """Nothing is left to go on with."""
        if self.file is not None:
            self.file.unlink(missing_ok=True)


def identify(settings: dict[str, Any], weights: dict[str, Tensor], *arrays: np.ndarray) -> str:
    """A hash of settings, of the weights that training starts from, and of the data."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode())
    for name, tensor in sorted(weights.items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()

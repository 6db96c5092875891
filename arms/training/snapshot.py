"""The state of a training run after each epoch, on disk: a killed run resumes and ends with the same weights."""

import hashlib
import json
import logging
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from arms.data.atomic import atomic_file

logger = logging.getLogger(__name__)


class Snapshot:
    """One file, from which only the run that wrote it resumes.

    Parameters
    ----------
    file : Path or None
        None saves nothing.
    about : dict
        What the run depends on besides its own settings and data, such as the fingerprints of its features.
    identity : str
        Hash of everything that the run's result depends on; see `of`.
    """

    def __init__(self, file: Path | None, about: dict[str, Any], identity: str = "") -> None:
        self.file, self.about, self.identity = file, about, identity

    def of(self, identity: Callable[[], str]) -> "Snapshot":
        """The snapshot of one run; `identity` is called only if there is a file."""
        own = "" if self.file is None else f"{identity()} {json.dumps(self.about, sort_keys=True, default=str)}"
        return Snapshot(self.file, self.about, own)

    def load(self) -> dict[str, Any] | None:
        """The state that was saved last; None if there is none, if it is damaged, or if another run saved it."""
        if self.file is None or not self.file.is_file():
            return None
        try:
            content = torch.load(self.file, map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError):
            logger.warning("%s cannot be read; training starts anew", self.file)
            return None
        if content.get("identity") != self.identity:
            logger.info("%s was saved by a run with other settings or data; training starts anew", self.file)
            return None
        return content["state"]

    def save(self, state: dict[str, Any]) -> None:
        """Replace what was saved, whole or not at all."""
        if self.file is not None:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with atomic_file(self.file) as draft:
                torch.save({"identity": self.identity, "state": state}, draft)

    def remove(self) -> None:
        """Remove the file once the run is done."""
        if self.file is not None:
            self.file.unlink(missing_ok=True)


NO_SNAPSHOT = Snapshot(None, {})


def identify(settings: dict[str, Any], weights: dict[str, Tensor], *arrays: np.ndarray) -> str:
    """A hash of settings, of the weights that training starts from, and of the data."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode())
    for name, tensor in sorted(weights.items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()

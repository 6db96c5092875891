"""The state of a training run after each epoch, on disk: a killed run resumes and ends with the same weights."""

import hashlib
import io
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
from arms.data.disk import read_bytes
from arms.errors import ArmsError

_MAGIC = b"arms snapshot 1 "  # then the SHA-256 of all that follows, and a new line
_HEADER_BYTES = len(_MAGIC) + 64 + 1

logger = logging.getLogger(__name__)


class Snapshot:
    """A file, from which only the run that wrote it resumes, and beside it the one before, in case of damage.

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
        """The state that was saved last, or the one before if that is damaged; None if neither is of this run.

        What is damaged is set aside under another name, and the log says so.
        """
        if self.file is None:
            return None
        for file in (self.file, self._named("previous")):
            content = self._read(file) if file.is_file() else None
            if content is None:
                continue
            if content.get("identity") != self.identity:
                logger.info("%s was saved by a run with other settings or data; training starts anew", file)
                return None
            return content["state"]
        return None

    def save(self, state: dict[str, Any]) -> None:
        """Replace what was saved, whole or not at all; the state before is kept too."""
        if self.file is None:
            return
        memory = io.BytesIO()  # torch itself would not say that the disk is full
        torch.save({"identity": self.identity, "state": state}, memory)
        content = memory.getvalue()
        self.file.parent.mkdir(parents=True, exist_ok=True)
        if self.file.is_file():
            self.file.replace(self._named("previous"))
        with atomic_file(self.file) as draft, draft.open("wb") as stream:
            stream.write(_MAGIC + _digest(content) + b"\n")
            stream.write(content)

    def remove(self) -> None:
        """Remove the files once the run is done."""
        if self.file is not None:
            for file in (self.file, self._named("previous")):
                file.unlink(missing_ok=True)

    def _read(self, file: Path) -> dict[str, Any] | None:
        content = read_bytes(file, "a snapshot of a training", "delete it")
        header, rest = content[:_HEADER_BYTES], content[_HEADER_BYTES:]
        try:
            if header != _MAGIC + _digest(rest) + b"\n":
                raise ValueError("its bytes do not match their checksum")
            return dict(torch.load(io.BytesIO(rest), map_location="cpu", weights_only=True))
        except (RuntimeError, EOFError, ValueError, TypeError, pickle.UnpicklingError) as error:
            assert self.file is not None
            aside = self._named("damaged")
            file.replace(aside)
            logger.warning("%s is damaged (%s); it was set aside as %s, and training starts from the one before, if "
                           "there is one, or anew", file, error, aside.name)  # fmt: skip
            return None

    def _named(self, what: str) -> Path:
        """A name beside the file's, such as phi.previous.pt."""
        assert self.file is not None
        return self.file.with_name(f"{self.file.stem}.{what}{self.file.suffix}")


NO_SNAPSHOT = Snapshot(None, {})


def misfit(snapshot: Snapshot, error: Exception) -> ArmsError:
    """The error for a state that is sound and that this version cannot go on from."""
    return ArmsError(
        f"{snapshot.file}: expected a training's state as this version saves it, got one of another shape "
        f"({type(error).__name__}: {error}); delete it, and training starts anew"
    )


def identify(settings: dict[str, Any], weights: dict[str, Tensor], *arrays: np.ndarray) -> str:
    """A hash of settings, of the weights that training starts from, and of the data."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode())
    for name, tensor in sorted(weights.items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()

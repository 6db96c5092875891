"""A server's model that is held to its pinned vector: a server that silently changed its model is an error."""

import time
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, Self

import numpy as np

from arms.encoders.remote.probe import distance, read_pin, write_pin
from arms.encoders.remote.server import EmbeddingServer
from arms.errors import ArmsError
from arms.params.encoders import ProbeParams, ServerParams

_CHECK_EVERY_S = 600.0  # a process may run for weeks


class PinnedServer:
    """A server, asked only while its answer to the probe is the pinned one. Loading it asks nothing.

    Parameters
    ----------
    server : EmbeddingServer
    probe : ProbeParams

    Attributes
    ----------
    width : int
        D, the width of its vectors.

    Raises
    ------
    ArmsError
        If nothing is pinned yet, with what to pin; as `EmbeddingServer.embed` does if it cannot be asked for that.
    """

    def __init__(self, server: EmbeddingServer, probe: ProbeParams) -> None:
        self.server, self.probe = server, probe
        if probe.vector is None:
            raise ArmsError(_what_to_pin(server, probe))
        self.pinned_D = read_pin(probe.vector)
        self.width = len(self.pinned_D)
        self._known: dict[str, np.ndarray] = {}
        self._checked_until = 0.0

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Itself: copies of an encoder ask the same server."""
        return self

    def know(self, texts: Iterable[str], vectors_ND: np.ndarray) -> None:
        """Take vectors from a store or a saved router, so that the server is not asked for these texts again."""
        self._known.update(zip(texts, vectors_ND, strict=True))

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors of N texts, shape (N, D), float32; zeros for one without a word, which servers refuse.

        Raises
        ------
        ArmsError
            As `EmbeddingServer.embed`, or if the probe's vector is not the pinned one, or vectors have another width.
        """
        vectors_ND = np.zeros((len(texts), self.width), dtype=np.float32)
        asked = list(dict.fromkeys(text for text in texts if text.strip() and text not in self._known))
        answers = dict(zip(asked, self._ask(asked), strict=True)) if asked else {}
        for row, text in enumerate(texts):
            vector_D = answers.get(text, self._known.get(text))
            if vector_D is not None:
                vectors_ND[row] = vector_D
        return vectors_ND

    def _ask(self, texts: list[str]) -> np.ndarray:
        if time.monotonic() >= self._checked_until:
            self._check()
        return self._of_width(self.server.embed(texts))

    def _check(self) -> None:
        """Embed the probe and compare it with its pin."""
        got_D = self._of_width(self.server.embed([self.probe.text]))[0]
        if (apart := distance(got_D, self.pinned_D)) > self.probe.tolerance:
            raise ArmsError(
                f"{self.server.name}: its vector of the probe text is {apart:.3g} of its length away from the pinned "
                f"one, more than text.probe.tolerance ({self.probe.tolerance:g}): {self._change()}"
            )
        self._checked_until = time.monotonic() + _CHECK_EVERY_S

    def _of_width(self, vectors_ND: np.ndarray) -> np.ndarray:
        if vectors_ND.shape[1] != self.width:
            raise ArmsError(
                f"{self.server.name}: expected vectors of width {self.width}, as pinned, got width "
                f"{vectors_ND.shape[1]}: {self._change()}"
            )
        return vectors_ND

    def _change(self) -> str:
        """What must have happened, and what to do."""
        named = self.server.answered_as
        said = "" if named is None else f" (it calls it {named!r})"
        return (
            f"the server now has another model behind this name{said}, and no vector of it goes with those that were "
            "stored or trained on; have the server give the pinned model again, or accept the new one: set "
            "text.probe.vector to null in conf/encoders, run: dvc repro, which prints the new pin, and train anew"
        )


@cache
def pinned_server(params: ServerParams, model: str, dimensions: int | None, probe: ProbeParams) -> PinnedServer:
    """The one of this process: what it knows and has checked serves every router."""
    return PinnedServer(EmbeddingServer(params, model, dimensions), probe)


def _what_to_pin(server: EmbeddingServer, probe: ProbeParams) -> str:
    """The error for a model that is not pinned yet: it asks the server for the vector to pin."""
    pin = write_pin(server.embed([probe.text])[0])
    return (
        f"{server.name}: its model is not pinned yet; write this line under text.probe, and run the same again:\n"
        f"    vector: {pin}"
    )

"""A run's own random numbers, separate from those of all other code."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


class RandomState:
    """The states of torch's global generators as one run has them.

    Attributes
    ----------
    states : dict of str to Tensor
        By device, `cpu` and, if the run is on a GPU, `cuda`. A resumed run sets them to those of its snapshot.
    """

    def __init__(self, seed: int, device: torch.device) -> None:
        self._device = device
        self._devices = [device] if device.type == "cuda" else []
        with torch.random.fork_rng(devices=self._devices):
            torch.manual_seed(seed)
            self.states = self._read()

    @contextmanager
    def used(self) -> Iterator[None]:
        """Inside the block torch draws this run's random numbers; afterwards the global state is as before."""
        with torch.random.fork_rng(devices=self._devices):
            torch.set_rng_state(self.states["cpu"])
            if self._devices:
                torch.cuda.set_rng_state(self.states["cuda"], self._device)
            yield
            self.states = self._read()

    def _read(self) -> dict[str, Tensor]:
        states = {"cpu": torch.get_rng_state()}
        if self._devices:
            states["cuda"] = torch.cuda.get_rng_state(self._device)
        return states

"""Running the frozen trunk: from a batch of inputs to the arrays that cross the encoder's cut."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from arms.device import place
from arms.encoders.base import Encoder
from arms.encoders.batch import Batch, move_batch
from arms.errors import ArmsError
from arms.features.arrays import Array, Ragged, join_arrays, offsets_of

logger = logging.getLogger(__name__)

# Images of a convolutional net that a CPU computes at a time: the states of 8 stay near the cores, those of 64 do not,
# and take twice as long.
_CONVOLVED = 8

# Pixels (n, 3, H, W), uint8; or for each input one array, pixels or token ids, or a joint encoder's batch of one.
Inputs = Tensor | Sequence[Any]


@dataclass(frozen=True)
class TrunkPart:
    """A part of a batch in progress: its outputs, which are being copied to the CPU, and the event that ends that."""

    outputs: dict[str, Tensor]
    largest: dict[str, Tensor]  # the largest magnitude in each output
    lengths: list[int]  # tokens per text; empty for images
    arrived: torch.cuda.Event | None  # None on a CPU, which computes at once


class TrunkRunner:
    """Runs an encoder's trunk on batches; on a GPU `start` returns before the work is done.

    Parameters
    ----------
    compiled : bool
        Compile the trunk first (torch.compile), which pays off on long extractions.
    """

    def __init__(self, encoder: Encoder, device: torch.device, *, compiled: bool = False) -> None:
        self.encoder, self.device = encoder, device
        place(encoder.trunk, device)
        self._trunk: Any = torch.compile(encoder.trunk) if compiled else encoder.trunk
        self._limit: int | None = None

    @torch.inference_mode()
    def start(self, inputs: Inputs) -> list[TrunkPart]:
        """Start on a batch. One that does not fit in memory is halved, and so are those after it."""
        size = 1 if isinstance(inputs[0], dict) else min(len(inputs), self._limit or self._most(len(inputs)))
        try:
            return [self._start(inputs[start : start + size]) for start in range(0, len(inputs), size)]
        except (RuntimeError, MemoryError) as error:
            if not _is_out_of_memory(error) or size == 1:
                raise
            self._limit = size // 2
            logger.warning("a batch of %d does not fit in memory; going on with %d", size, self._limit)
        # Outside the except block, because the error keeps the failed attempt's memory until that ends.
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        return self.start(inputs)

    def finish(self, parts: list[TrunkPart]) -> dict[str, Array]:
        """Wait for a batch and return its arrays: token states as float16, pooled embeddings as float32.

        Raises
        ------
        ArmsError
            If a state is too large for float16, or an output is NaN or infinite.
        """
        arrays = [self._finish(part) for part in parts]
        return {name: join_arrays([part[name] for part in arrays]) for name in self.encoder.crossing}

    def _most(self, count: int) -> int:
        """How many of a batch are computed at a time, if there is room for all."""
        if self.device.type != "cpu" or count <= _CONVOLVED:
            return count
        convolutions = sum(isinstance(module, nn.Conv2d) for module in self.encoder.trunk.modules())
        return _CONVOLVED if convolutions > 1 else count  # a transformer has one, which makes the patches

    def _start(self, inputs: Inputs) -> TrunkPart:
        on_gpu = self.device.type == "cuda"
        batch = _batch(inputs)
        if "mask" in batch:
            # An index, because with a mask the CPU would wait for the GPU to count the tokens.
            batch["tokens"] = torch.nonzero(batch["mask"].flatten()).flatten()
        batch = move_batch(_pin(batch) if on_gpu else batch, self.device)
        tokens = batch.pop("tokens", None)
        output = self._trunk(batch)
        outputs, largest = {}, {}
        for name in self.encoder.crossing:
            value = output[name]
            stored = value.float() if name == "pooled" else value.half()
            magnitude = torch.stack(torch.aminmax(value)).abs().max()  # NaN if any value is NaN
            # Checked on the CPU: on the GPU the check would queue behind the next batch.
            largest[name] = magnitude.to("cpu", non_blocking=True)
            if name != "pooled" and tokens is not None:
                stored = stored.flatten(0, 1)[tokens]
            outputs[name] = stored.to("cpu", non_blocking=True)
        arrived = torch.cuda.Event() if on_gpu else None
        if arrived is not None:
            arrived.record()
        lengths = [] if tokens is None else [len(row) for row in inputs]
        return TrunkPart(outputs, largest, lengths, arrived)

    def _finish(self, part: TrunkPart) -> dict[str, Array]:
        if part.arrived is not None:
            part.arrived.synchronize()
        arrays: dict[str, Array] = {}
        for name, output in part.outputs.items():
            largest = part.largest[name]
            if not largest.isfinite():
                raise ArmsError(
                    f"{self.encoder.name}: expected finite {name}, got NaN or infinity; check the encoder's weights, "
                    "or cut it at another layer"
                )
            if not largest.to(output.dtype).isfinite():
                raise ArmsError(
                    f"{self.encoder.name}: its {name} reach {largest.item():.3g}, more than float16 holds; "
                    "cut it at another layer"
                )
            ragged = part.lengths and name != "pooled"
            arrays[name] = Ragged(output.numpy(), offsets_of(part.lengths)) if ragged else output.numpy()
        return arrays


def run_trunk(encoder: Encoder, inputs: Inputs, device: torch.device) -> dict[str, Array]:
    """What crosses the encoder's cut for one batch of inputs.

    Parameters
    ----------
    inputs : Tensor or sequence of ndarray
        For each input, pixels of shape (3, H, W), uint8, or token ids of shape (T,), int32, or what a joint encoder
        takes of a pair.

    Returns
    -------
    dict of str to ndarray or Ragged
        Token states as float16, pooled embeddings as float32; the inputs themselves if there is no trunk.

    Raises
    ------
    ArmsError
        If a state is too large for float16, or an output is NaN or infinite.
    """
    if not len(encoder.trunk):
        return inputs_as_features(encoder, inputs)
    runner = TrunkRunner(encoder, device)
    return runner.finish(runner.start(inputs))


def inputs_as_features(encoder: Encoder, inputs: Inputs) -> dict[str, Array]:
    """The inputs themselves, which is what crosses the cut of an encoder without a trunk."""
    (name,) = encoder.crossing
    if isinstance(inputs, Tensor):
        return {name: inputs.numpy()}
    return {name: np.stack(inputs) if name == "pixels" else Ragged.join(inputs)}


def _batch(inputs: Inputs) -> Batch:
    if isinstance(inputs, Tensor):
        return {"pixels": inputs}
    if isinstance(inputs[0], dict):
        return inputs[0]
    if inputs[0].ndim == 3:
        return {"pixels": torch.from_numpy(np.stack(inputs))}
    padded, mask = Ragged.join(inputs).pad(np.arange(len(inputs)))
    return {"token_ids": torch.from_numpy(padded), "mask": torch.from_numpy(mask)}


def _pin(batch: Batch) -> Batch:
    """Move a batch into pinned memory, from which a GPU can copy while the CPU works on."""
    return {name: tensor.pin_memory() for name, tensor in batch.items()}


def _is_out_of_memory(error: Exception) -> bool:
    """Whether memory ran out; on the CPU only the text of a RuntimeError tells."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "not enough memory" in str(error)

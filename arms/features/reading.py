"""Inputs for extraction, read ahead by worker processes."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from arms.errors import ArmsError
from arms.features.trunk import Inputs

Reader = Callable[[str], Any]  # from a content key to the encoder's input: pixels, token ids, or a batch of one

# Forked workers start at once. Spawned ones would import everything again, which takes each of them seconds. On macOS a
# process that has run threads cannot be forked safely.
_CAN_FORK = sys.platform == "linux"
_NICENESS = 5  # with more, other programs would starve the decoding
_PIECE = 32  # images that a worker hands over at a time; whole batches would take too much shared memory


def read_ahead(batches: Sequence[list[str]], read: Reader, *, workers: int, pinned: bool) -> Iterator[Inputs]:
    """Inputs of each batch of keys, in order; the processes that read them start at once.

    Parameters
    ----------
    workers : int
        Processes that read ahead. With 0, or where processes cannot be forked, this process reads each batch itself.
    pinned : bool
        Put images into pinned memory, from which a GPU can copy while the CPU works on.

    Raises
    ------
    ArmsError
        If `read` raises one, in this process or in a worker, or shared memory is full.
    """
    if not (workers and batches and _CAN_FORK):
        return ([read(key) for key in batch] for batch in batches)
    pieces = [[batch[start : start + _PIECE] for start in range(0, len(batch), _PIECE)] for batch in batches]
    loader = iter(_load([piece for batch in pieces for piece in batch], read, workers, yielding=not pinned))
    return _batches(loader, [len(batch) for batch in pieces], pinned=pinned)


def _batches(loader: Iterator[Tensor | ArmsError], num_pieces: Sequence[int], *, pinned: bool) -> Iterator[Tensor]:
    try:
        for count in num_pieces:
            yield _join([_next_piece(loader) for _ in range(count)], pinned=pinned)
    finally:
        del loader  # ends the workers; an error's traceback would keep them alive


class _Pieces(Dataset[Tensor | ArmsError]):
    def __init__(self, pieces: list[list[str]], read: Reader) -> None:
        self.pieces, self.read = pieces, read

    def __len__(self) -> int:
        return len(self.pieces)

    def __getitem__(self, index: int) -> Tensor | ArmsError:
        try:
            piece = torch.from_numpy(np.stack([self.read(key) for key in self.pieces[index]]))
        except ArmsError as error:  # if a worker raised it, its text would become the worker's traceback
            return error
        try:
            return piece.share_memory_()  # here and not while it is sent, where a failure would be waited for for good
        except RuntimeError as error:
            return _no_room(error)


def _load(pieces: list[list[str]], read: Reader, workers: int, *, yielding: bool) -> DataLoader[Tensor | ArmsError]:
    return DataLoader(
        _Pieces(pieces, read),
        batch_size=None,
        num_workers=min(workers, len(pieces)),
        multiprocessing_context="fork",
        worker_init_fn=yield_cores if yielding else None,
    )


def yield_cores(_: int = 0, *, niceness: int = _NICENESS) -> None:
    """Let the trunk go first, in a worker: a process, or on Linux a thread and those that it starts.

    The trunk's threads wait for each other, so whatever displaces one of them delays all. Decoders can wait.
    """
    if sys.platform == "linux":  # elsewhere it would slow down all threads of a process
        os.nice(niceness)


def _join(parts: list[Tensor], *, pinned: bool) -> Tensor:
    if not pinned:
        return parts[0] if len(parts) == 1 else torch.cat(parts)
    buffer = torch.empty((sum(map(len, parts)), *parts[0].shape[1:]), dtype=parts[0].dtype, pin_memory=True)
    return torch.cat(parts, out=buffer)


def _next_piece(loader: Iterator[Tensor | ArmsError]) -> Tensor:
    try:
        piece = next(loader)
    except RuntimeError as error:
        if not str(error).startswith("DataLoader worker"):  # one that was killed, as where shared memory is full
            raise
        raise _no_room(error) from error
    if isinstance(piece, ArmsError):
        raise piece
    return piece


def _no_room(error: RuntimeError) -> ArmsError:
    return ArmsError(
        f"the processes that read images cannot hand them over: {error}; make room in shared memory (/dev/shm, in a "
        "container --shm-size=1g), or lower runtime.workers"
    )

"""Extraction: run an encoder's trunk over all that is not in the store yet, batch by batch, shard by shard."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from arms.batch import Batch, move_batch
from arms.encoders.base import Encoder
from arms.errors import ArmsError
from arms.features.loader import Array, Ragged, join_arrays
from arms.features.store import FeatureStore

Reader = Callable[[str], np.ndarray]  # from a content key to the encoder's input: pixels, or a row of token ids
Progress = Callable[[int, int], None]  # done, of


def extract(
    store: FeatureStore,
    keys: Sequence[str],
    read: Reader,
    encoder: Encoder,
    *,
    batch_size: int,
    shard_bytes: int,
    workers: int,
    device: torch.device,
    progress: Progress,
) -> int:
    """Encode what the store lacks and write it shard by shard.

    Batches start anew with every shard, so a run that was killed and taken up again writes the same bytes.

    Parameters
    ----------
    keys : sequence of str
        Content keys wanted, in the order in which they are stored.
    read : callable
        Gives the encoder's input for a key; called from `workers` threads.
    shard_bytes : int
        A shard is closed once it holds this much.
    progress : callable
        Told the number of keys done and wanted, after each batch.

    Returns
    -------
    int
        How many were encoded, short of those already stored.
    """
    stored = store.stored_keys()
    pending = [key for key in keys if key not in stored]
    encoder.trunk.to(device)
    done = len(keys) - len(pending)
    batches = [pending[start : start + batch_size] for start in range(0, len(pending), batch_size)]
    shard_keys: list[str] = []
    shard_parts: list[dict[str, Array]] = []
    with ThreadPoolExecutor(workers) as pool:
        for batch_keys, inputs in zip(batches, _read_ahead(batches, read, pool), strict=True):
            shard_keys += batch_keys
            shard_parts.append(run_trunk(encoder, inputs, device))
            done += len(batch_keys)
            progress(done, len(keys))
            if _num_bytes(shard_parts) >= shard_bytes:
                store.write_shard(shard_keys, _concatenate(shard_parts))
                shard_keys, shard_parts = [], []
    if shard_keys:
        store.write_shard(shard_keys, _concatenate(shard_parts))
    return len(pending)


@torch.inference_mode()
def run_trunk(encoder: Encoder, inputs: Sequence[np.ndarray], device: torch.device) -> dict[str, Array]:
    """What crosses the encoder's cut for one batch of inputs.

    Parameters
    ----------
    inputs : sequence of ndarray
        Pixels of shape (3, H, W), uint8, or token ids of shape (T,), int32.

    Returns
    -------
    dict of str to ndarray or Ragged
        Inputs as they are; token states as float16, pooled embeddings as float32.

    Raises
    ------
    ArmsError
        If a state is too large for float16, or not a number.
    """
    if not len(encoder.trunk):
        (name,) = encoder.crossing
        return {name: np.stack(inputs) if name == "pixels" else Ragged.join(inputs)}
    batch = move_batch(_input_batch(inputs), device)
    output = encoder.trunk(batch)
    return {name: _to_array(name, output[name], output.get("mask"), encoder) for name in encoder.crossing}


def _input_batch(inputs: Sequence[np.ndarray]) -> Batch:
    if inputs[0].ndim == 3:
        return {"pixels": torch.from_numpy(np.stack(inputs))}
    padded, mask = Ragged.join(inputs).pad(np.arange(len(inputs)))
    return {"token_ids": torch.from_numpy(padded), "mask": torch.from_numpy(mask)}


def _to_array(name: str, value: Tensor, mask: Tensor | None, encoder: Encoder) -> Array:
    array = value.float() if name == "pooled" else value.half()
    if not torch.isfinite(value).all():
        raise ArmsError(f"{encoder.name}: its {name} are not all numbers; its weights are damaged, or cut elsewhere")
    if not torch.isfinite(array).all():
        raise ArmsError(
            f"{encoder.name}: its {name} reach {value.abs().max().item():.3g}, more than float16 holds; cut elsewhere"
        )
    if name == "pooled" or mask is None:
        return array.cpu().numpy()
    lengths = mask.sum(dim=1).cpu().numpy()
    return Ragged(array[mask].cpu().numpy(), np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]))


def _read_ahead(batches: list[list[str]], read: Reader, pool: ThreadPoolExecutor) -> Iterator[list[np.ndarray]]:
    """Inputs of each batch; the next batch is read while this one is computed."""
    waiting: list[list[Future[np.ndarray]]] = []
    for batch in batches:
        waiting.append([pool.submit(read, key) for key in batch])
        if len(waiting) == 2:
            yield [future.result() for future in waiting.pop(0)]
    for futures in waiting:
        yield [future.result() for future in futures]


def _num_bytes(parts: list[dict[str, Array]]) -> int:
    return sum(array.nbytes for part in parts for array in part.values())


def _concatenate(parts: list[dict[str, Array]]) -> dict[str, Array]:
    return {name: join_arrays([part[name] for part in parts]) for name in parts[0]}

"""The plan of an extraction: which rows go into which shard, settled before any of them is encoded.

It depends on what is to be encoded and on what is stored, never on what comes out. A shard is a run of whole batches.
So where any of the planned shards are stored already, in whatever order they were written, the plan for what remains
has the same shards under the same names: a run that is killed and resumed writes the same bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from arms.encoders.base import Encoder
from arms.features.reading import Reader
from arms.features.store import FeatureStore
from arms.features.trunk import run_trunk

_TOKEN_BYTES = 2  # of each number of a token's state


@dataclass(frozen=True)
class Shard:
    """A shard to be written: its name, and the content keys of its rows in their order."""

    name: str
    keys: list[str]

    def batches(self, batch_size: int) -> list[list[str]]:
        """The keys in batches; every shard starts with a new one."""
        return [self.keys[start : start + batch_size] for start in range(0, len(self.keys), batch_size)]


def plan_shards(
    store: FeatureStore, keys: Sequence[str], row_bytes: Sequence[int], *, batch_size: int, shard_bytes: int
) -> list[Shard]:
    """Divide keys that are not stored into shards under names that are free.

    Parameters
    ----------
    row_bytes : sequence of int
        How much the features of each key take; see `measure_rows`.
    shard_bytes : int
        A shard is closed once its batches come to this many bytes.
    """
    shards: list[Shard] = []
    names, first, size = store.free_names(), 0, 0
    for start in range(0, len(keys), batch_size):
        end = min(start + batch_size, len(keys))
        size += sum(row_bytes[start:end])
        if size >= shard_bytes or end == len(keys):
            shards.append(Shard(next(names), list(keys[first:end])))
            first, size = end, 0
    return shards


def measure_rows(encoder: Encoder, keys: Sequence[str], read: Reader, device: torch.device) -> list[int]:
    """Bytes that the features of each key take in a store.

    Only where each row has a length of its own, as the token states of texts, are the inputs read. Otherwise all rows
    are of one size.
    """
    if not keys:
        return []
    if encoder.crossing == ("pooled",):
        return [encoder.width * torch.float32.itemsize] * len(keys)
    if encoder.fingerprint["modality"] == "text":
        token = torch.int32.itemsize if encoder.crossing == ("token_ids",) else encoder.token_width * _TOKEN_BYTES
        return [len(read(key)) * token + torch.int64.itemsize for key in keys]  # with the offset of the row
    example = run_trunk(encoder, encoder.example(2)["pixels"], device)
    return [sum(array.nbytes for array in example.values()) // 2] * len(keys)

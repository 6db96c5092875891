"""What a net computes for queries: its logits, its gate's weights and its fused vectors."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch

from arms.device import place
from arms.encoders.batch import Batch, QueryBatch, move_batch
from arms.features.loader import Queries, read_batches
from arms.nn.router_net import RouterNet


class Reading(NamedTuple):
    """The gate's weights of N queries, shape (N, E), and their fused vectors, shape (N, d_q)."""

    gate_NE: np.ndarray
    fused_ND: np.ndarray


@torch.inference_mode()
def predict_logits(
    net: RouterNet, profiles: Batch, queries: Queries, *, batch_size: int, window_mb: int, device: torch.device
) -> np.ndarray:
    """Logits of shape (N, S), float32, in evaluation mode.

    Parameters
    ----------
    window_mb : int
        MiB of features to load at a time, if they are on disk.
    """
    place(net, device)
    profile_SD = net.encode_profiles(move_batch(profiles, device))
    logits_NS = np.empty((len(queries), len(profile_SD)), dtype=np.float32)
    for index, batch in _batches(queries, batch_size, window_mb):
        logits_NS[index] = net.score(net.encode_queries(batch.to(device)), profile_SD).cpu().numpy()
    return logits_NS


@torch.inference_mode()
def read_net(net: RouterNet, queries: Queries, *, batch_size: int, window_mb: int, device: torch.device) -> Reading:
    """Gate and fused vectors, in evaluation mode; see `predict_logits`."""
    place(net, device)
    gate_NE = np.empty((len(queries), net.experts.num_experts), dtype=np.float32)
    fused_ND = np.empty((len(queries), net.text_width), dtype=np.float32)
    for index, batch in _batches(queries, batch_size, window_mb):
        fused, gate = net.fuse(net.encode_queries(batch.to(device)))
        fused_ND[index], gate_NE[index] = fused.cpu().numpy(), gate.cpu().numpy()
    return Reading(gate_NE, fused_ND)


def _batches(queries: Queries, batch_size: int, window_mb: int) -> Iterator[tuple[np.ndarray, QueryBatch]]:
    """Batches in the order of the images, so that an image shared by several queries is encoded once."""
    windows = queries.windows(window_mb * 2**20)
    orders = [window[np.argsort(queries.first_images[window], kind="stable")] for window in windows]
    return read_batches(queries, orders, batch_size)

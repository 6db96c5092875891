"""Frozen trunks in lower precision. A trunk runs once per image or text, and its time is the whole cost of encoding.

The tail stays in float32, since bfloat16 is too coarse for the small steps of training.
"""

import copy
import dataclasses
import logging
import time
from typing import Literal, TypeVar

import torch
from torch import nn

from arms.encoders.base import Encoder, hash_weights
from arms.encoders.batch import Batch, move_batch

logger = logging.getLogger(__name__)

Precision = Literal["float32", "bfloat16"]
PRECISIONS: tuple[Precision, ...] = ("bfloat16", "float32")
EncoderT = TypeVar("EncoderT", bound=Encoder)

# Less than this is not worth the rounding, and may be the noise of the measurement.
_MIN_SPEEDUP = 1.2


def in_precision(encoder: EncoderT, precision: Precision) -> EncoderT:
    """An encoder whose trunk computes in a precision; the encoder passed in does not change.

    Returns
    -------
    Encoder
        Of the same type; its fingerprint names the precision and the rounded weights. An encoder without trunk layers
        is returned as it is.
    """
    if not len(encoder.trunk):
        return encoder
    trunk = _cast(encoder.trunk, precision)
    fingerprint = encoder.fingerprint | {"precision": precision, "weights": hash_weights(trunk)}
    return dataclasses.replace(encoder, trunk=trunk, fingerprint=fingerprint)


def fastest_precision(encoder: Encoder, device: torch.device) -> Precision:
    """Time the trunk in both precisions on a device; bfloat16 only where that is clearly faster.

    Many CPUs have no bfloat16 arithmetic and emulate it, several times slower. The trunk is moved to the device.
    """
    if not len(encoder.trunk):
        return "float32"
    # Enough inputs to keep the device busy: with a few, a GPU only launches kernels, in any precision.
    batch = move_batch(encoder.example(4 if device.type == "cpu" else 64), device)
    full_s = _time_trunk(_cast(encoder.trunk, "float32").to(device), batch, device)
    low_s = _time_trunk(_cast(encoder.trunk, "bfloat16").to(device), batch, device)
    ratio = full_s / low_s
    fastest: Precision = "bfloat16" if ratio >= _MIN_SPEEDUP else "float32"
    logger.info("%s: bfloat16 is %.2f times as fast as float32 on %s; using %s", encoder.name, ratio, device, fastest)
    return fastest


def _cast(trunk: nn.Sequential, precision: Precision) -> nn.Sequential:
    """A trunk in a precision: itself if it has that already, else a copy."""
    dtype = getattr(torch, precision)
    if next(trunk.parameters()).dtype == dtype:
        return trunk
    lowered = copy.deepcopy(trunk).to(dtype)
    # Positions times frequencies: rounded to 8 bits, the frequencies of rotary positions would be wrong ones.
    for name, value in trunk.named_buffers():
        if "inv_freq" in name:
            module, _, buffer = name.rpartition(".")
            setattr(lowered.get_submodule(module), buffer, value.clone())
    return lowered


@torch.inference_mode()
def _time_trunk(trunk: nn.Sequential, batch: Batch, device: torch.device) -> float:
    """Seconds for a batch: the best of three runs, after one to warm up."""
    seconds = []
    for _ in range(4):
        start = time.perf_counter()
        trunk(batch)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - start)
    return min(seconds[1:])

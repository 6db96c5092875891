"""Which VLMs of a pool can answer a query at all, by what their profiles say of their limits."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arms.data.profiles import VlmProfile


@dataclass(frozen=True)
class Needs:
    """What a query asks of a VLM.

    Attributes
    ----------
    images : int
    tokens : int
        Of the prompt, estimated, with its images and the answer.
    tools : bool
        Whether the VLM must be able to call tools.
    """

    images: int
    tokens: int
    tools: bool = False


def lacking(profiles: Sequence[VlmProfile], needs: Sequence[Needs]) -> tuple[NDArray[np.bool_], list[dict[str, str]]]:
    """Which of S VLMs cannot answer each of N queries, and why. What a profile does not tell is no obstacle.

    Returns
    -------
    lacks : bool array of shape (N, S)
    reasons : list of N dicts, from the name of a VLM that cannot answer to the reason
    """
    lacks = np.zeros((len(needs), len(profiles)), dtype=bool)
    reasons = []
    for row, need in enumerate(needs):
        of_query = {vlm.name: reason for vlm in profiles if (reason := _lack(vlm, need))}
        lacks[row] = [vlm.name in of_query for vlm in profiles]
        reasons.append(of_query)
    return lacks, reasons


def _lack(vlm: VlmProfile, need: Needs) -> str | None:
    if vlm.max_images is not None and need.images > vlm.max_images:
        return f"takes {vlm.max_images} images at most, not {need.images}"
    if vlm.context_tokens is not None and need.tokens > vlm.context_tokens:
        return f"takes {vlm.context_tokens:,} tokens at most, not some {need.tokens:,}"
    if vlm.tools is False and need.tools:
        return "calls no tools"
    return None

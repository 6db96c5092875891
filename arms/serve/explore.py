"""Trying other VLMs than the policy's now and then, with known chances: what is recorded can be learned from."""

from collections.abc import Sequence
from random import Random
from typing import NamedTuple


class Drawn(NamedTuple):
    """A VLM, and the chance with which it was drawn."""

    vlm: str
    propensity: float


def draw(greedy: str, able: Sequence[str], share: float, random: Random) -> Drawn:
    """Draw one of the able VLMs evenly with chance `share`, else take the policy's choice.

    Parameters
    ----------
    greedy : str
        The policy's choice, one of `able`.
    able : sequence of str
        The VLMs that may be drawn.
    share : float, in [0, 1)
    """
    vlm = random.choice(able) if random.random() < share else greedy
    return Drawn(vlm, share / len(able) + (1 - share) * (vlm == greedy))

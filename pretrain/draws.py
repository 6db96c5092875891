"""Random choices, without the overhead of numpy's on a single draw."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

import numpy as np

_Item = TypeVar("_Item")


def pick(items: Sequence[_Item], rng: np.random.Generator) -> _Item:
    """One of the items, all as likely."""
    return items[int(rng.integers(len(items)))]


def pick_other(items: Iterable[_Item], excluded: _Item, rng: np.random.Generator) -> _Item:
    """One of the other items, all as likely."""
    return pick([item for item in items if item != excluded], rng)


def pick_some(items: Sequence[_Item], num: int, rng: np.random.Generator) -> list[_Item]:
    """`num` different items in random order; all of them if there are not enough."""
    return [items[index] for index in rng.permutation(len(items))[:num].tolist()]


def pick_weighted(weights: Mapping[_Item, float], rng: np.random.Generator) -> _Item:
    """One of the keys, as likely as its weight says; the weights sum to 1."""
    luck = rng.random()
    for item, weight in weights.items():
        luck -= weight
        if luck < 0:
            return item
    return next(reversed(list(weights)))  # the weights sum to a little less than 1


def between(low: float, high: float, rng: np.random.Generator) -> float:
    """A number from `low` to `high`."""
    return low + (high - low) * rng.random()


def whole(low: int, high: int, rng: np.random.Generator) -> int:
    """An integer from `low` to `high`, both included."""
    return int(rng.integers(low, high + 1))

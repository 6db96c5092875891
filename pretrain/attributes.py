"""What a picture shows, as a choice among known values: targets for the image tower."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from pretrain.draws import pick
from pretrain.scenes.base import FAMILIES, LABELS, labels_of, load_family

NOT_TOLD = -100  # of a picture that an attribute does not apply to, or whose value is rare
_OPEN = ("word", "largest")  # labels that may be any word
_NUM_SCENES, _RARE = 6000, 6  # scenes drawn to see which values there are, and how often one comes at least
_SEED = 0


@cache
def attributes() -> dict[str, tuple[Any, ...]]:
    """The values of every attribute: the labels that have few, and the family."""
    seen: defaultdict[str, Counter] = defaultdict(Counter)
    for number in range(_NUM_SCENES):
        rng = np.random.default_rng((_SEED, number))
        family = load_family(pick(tuple(FAMILIES), rng))
        conditions = family.draw_conditions(rng)
        labels = labels_of(family.draw_scene(conditions, rng), conditions)
        for name in LABELS:
            if name not in _OPEN:
                seen[name][getattr(labels, name)] += 1
    values = {
        name: tuple(sorted(value for value, count in counts.items() if value is not None and count >= _RARE))
        for name, counts in seen.items()
    }
    return {"family": tuple(FAMILIES), **{name: known for name, known in values.items() if known}}


def attribute_targets(families: Sequence[str], labels: Mapping[str, Sequence[Any]]) -> np.ndarray:
    """The number of each picture's value among the attribute's, shape (N, number of attributes), int64."""
    given = {"family": families, **labels}
    columns = []
    for name, values in attributes().items():
        number = {value: place for place, value in enumerate(values)}
        columns.append([number.get(value, NOT_TOLD) for value in given[name]])
    return np.array(columns, dtype=np.int64).T

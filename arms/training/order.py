"""The order in which an epoch goes through the training queries."""

from collections.abc import Iterator, Sequence

import numpy as np

from arms.features.loader import Queries


def shuffled(
    queries: Queries, windows: Sequence[np.ndarray], shuffle: np.random.Generator, *, group_by_image: bool
) -> Iterator[np.ndarray]:
    """Yield the positions of each window's queries in random order; the windows come in random order too."""
    for place in shuffle.permutation(len(windows)):
        order = shuffle.permutation(windows[place])
        if group_by_image:
            # Queries that share an image go into one batch, so that the image is encoded once.
            order = order[np.argsort(_first_seen(queries.first_images[order]), kind="stable")]
        yield order


def _first_seen(values: np.ndarray) -> np.ndarray:
    """For each row of an image, the position of its first occurrence; a query without an image stays where it is."""
    _, first, inverse = np.unique(values, return_index=True, return_inverse=True)
    return np.where(values >= 0, first[inverse], np.arange(len(values)))

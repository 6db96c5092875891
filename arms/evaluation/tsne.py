"""Maps of high-dimensional vectors in two dimensions, to see which queries lie close together."""

import numpy as np
from numpy.typing import NDArray
from sklearn.manifold import TSNE

from arms.evaluation.outcomes import FloatArray

MIN_POINTS = 5
PERPLEXITY = 30.0  # neighbours that count for each point


def tsne(vectors_ND: FloatArray, seed: int) -> NDArray[np.float32]:
    """Place vectors on a plane by t-SNE, so that close ones stay close; the same vectors and seed give the same map.

    Distances between far points, and the axes themselves, mean nothing.

    Parameters
    ----------
    vectors_ND : float array of shape (N, D), at least 5 points and 2 dimensions, not all the same
    seed : int, from 0

    Returns
    -------
    float32 array of shape (N, 2)

    Raises
    ------
    ValueError
        If the array has another shape, too few points, a value that is not finite, or all its points in one place.
    """
    vectors_ND = np.asarray(vectors_ND, dtype=np.float32)
    if vectors_ND.ndim != 2 or vectors_ND.shape[1] < 2:
        raise ValueError(f"tsne: expected vectors of shape (N, D) with D of at least 2, got shape {vectors_ND.shape}")
    if len(vectors_ND) < MIN_POINTS:
        raise ValueError(f"tsne: expected at least {MIN_POINTS} points, got {len(vectors_ND)}")
    if not np.isfinite(vectors_ND).all():
        raise ValueError(f"tsne: expected finite values, got {(~np.isfinite(vectors_ND)).sum()} that are not")
    if (vectors_ND == vectors_ND[0]).all():
        raise ValueError(f"tsne: expected points that differ, got {len(vectors_ND)} in one place")
    # A point has at most N - 1 neighbours, and t-SNE looks at three times its perplexity.
    perplexity = min(PERPLEXITY, (len(vectors_ND) - 1) / 3)
    placed = TSNE(n_components=2, init="pca", perplexity=perplexity, random_state=seed).fit_transform(vectors_ND)
    return placed.astype(np.float32)

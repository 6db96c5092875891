"""The pairwise nearest-neighbour router on pooled embeddings: who wins most duels among the neighbours."""

import numpy as np

from arms.baselines.knn import NeighbourRouter
from arms.features.labelled import Labelled


class PrknnRouter(NeighbourRouter):
    """A VLM's score is its weighted Copeland sum over the K training queries most like this one.

    On a training query a VLM beats another if only it is right, or if both outcomes are equal and it was cheaper.
    Pairs with an unknown outcome are left out; without costs, equal outcomes are a draw. The score is wins minus
    losses, divided by the number of compared pairs, in [-1, 1]; a pair weighs as much as its neighbour. For the
    settings see `NeighbourRouter`.
    """

    scale = "rank"

    def tell(self, train: Labelled) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Wins minus losses, and pairs; the prior is a VLM's score over all of training, 0 without pairs."""
        wins_NS, pairs_NS = copeland(train.outcomes, train.costs)
        return wins_NS, pairs_NS, wins_NS.sum(axis=0) / pairs_NS.sum(axis=0).clip(min=1)


def copeland(outcomes: np.ndarray, costs: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Each VLM's wins minus losses against the others on each query, and with how many it was compared.

    Parameters
    ----------
    outcomes : ndarray of shape (N, S), NaN where unknown
    costs : ndarray of shape (N, S), optional
        Of two VLMs with equal outcomes the cheaper one wins.

    Returns
    -------
    wins, pairs : ndarray of shape (N, S), int64
    """
    known = ~np.isnan(outcomes)
    wins, pairs = np.zeros((2, *outcomes.shape), dtype=np.int64)
    for rival in range(outcomes.shape[1]):
        theirs = outcomes[:, [rival]]
        won, lost = outcomes > theirs, outcomes < theirs
        if costs is not None:
            alike = outcomes == theirs
            won |= alike & (costs < costs[:, [rival]])
            lost |= alike & (costs > costs[:, [rival]])
        wins += won.astype(np.int64) - lost
        pairs += known & known[:, [rival]]
    return wins, pairs - known

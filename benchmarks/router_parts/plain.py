"""Nearest neighbours in plain Python, a query at a time, as public routers do it."""

import numpy as np
from sklearn.neighbors import NearestNeighbors


class PlainNeighbours:
    """Similarity with all training vectors by numpy, then a loop over the nearest ones and the VLMs.

    Parameters
    ----------
    vectors : ndarray of shape (N, D), float32, rows of unit norm
    outcomes, costs : ndarray of shape (N, S), all of them known
    num_neighbours : int
    """

    def __init__(self, vectors: np.ndarray, outcomes: np.ndarray, costs: np.ndarray, num_neighbours: int) -> None:
        self.vectors, self.outcomes, self.costs, self.num_neighbours = vectors, outcomes, costs, num_neighbours

    def search(self, vector: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Cosine and row of the nearest ones, in no order."""
        similarity = self.vectors @ vector
        nearest = np.argpartition(-similarity, self.num_neighbours)[: self.num_neighbours]
        return similarity[nearest], nearest

    def knn(self, vector: np.ndarray) -> list[float]:
        """Each VLM's mean outcome, weighted by cosine."""
        weights, nearest = self.search(vector)
        right, total = [0.0] * self.outcomes.shape[1], 0.0
        for weight, row in zip(weights, nearest, strict=True):
            total += weight
            for vlm in range(len(right)):
                right[vlm] += weight * self.outcomes[row, vlm]
        return [sum_ / total for sum_ in right]

    def prknn(self, vector: np.ndarray) -> list[float]:
        """Each VLM's wins minus losses against the others, weighted by cosine."""
        weights, nearest = self.search(vector)
        num_vlms, total = self.outcomes.shape[1], 0.0
        won = [0.0] * num_vlms
        for weight, row in zip(weights, nearest, strict=True):
            total += weight * (num_vlms - 1)
            for one in range(num_vlms):
                for other in range(one + 1, num_vlms):
                    better = self.outcomes[row, one] - self.outcomes[row, other]
                    if better == 0:
                        better = self.costs[row, other] - self.costs[row, one]
                    if better > 0:
                        won[one], won[other] = won[one] + weight, won[other] - weight
                    elif better < 0:
                        won[one], won[other] = won[one] - weight, won[other] + weight
        return [sum_ / total for sum_ in won]


class ScikitLearnNeighbours(PlainNeighbours):
    """The same with the search of scikit-learn."""

    def __init__(self, vectors: np.ndarray, outcomes: np.ndarray, costs: np.ndarray, num_neighbours: int) -> None:
        super().__init__(vectors, outcomes, costs, num_neighbours)
        self.index = NearestNeighbors(n_neighbors=num_neighbours, algorithm="brute").fit(vectors)

    def search(self, vector: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Cosine and row of the nearest ones; the distance of unit vectors tells the cosine."""
        distance, nearest = self.index.kneighbors(vector[None])
        return 1 - distance[0] ** 2 / 2, nearest[0]

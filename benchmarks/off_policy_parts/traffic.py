"""Traffic whose truth is known: the sample's queries with what every VLM answers, asked again and again."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, logit, softmax

from arms.data.tables import read_dataset
from arms.evaluation.off_policy.logged import Logged
from arms.sample import generate_sample
from arms.selection.select import select

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
LEFT_OUT = "space-relate"  # the benchmark that is out of distribution
CHEAP_FROM = 0.7
WARMTH = 0.5


@dataclass(frozen=True, eq=False)
class Population:
    """N queries, what S VLMs answer, and what the gateway's router and another one say.

    Attributes
    ----------
    right : float array of shape (N, S); 1 or 0
    cost_usd : float array of shape (N, S)
    confidence, other : float arrays of shape (N, S); the gateway's router's and another one's
    pictures : sequence of int arrays; the queries on each picture
    """

    vlms: tuple[str, ...]
    right: FloatArray
    cost_usd: FloatArray
    confidence: FloatArray
    other: FloatArray
    pictures: tuple[IntArray, ...]

    @property
    def greedy(self) -> IntArray:
        """What the gateway's router chooses, shape (N,)."""
        return self.confidence.argmax(axis=1)

    def targets(self) -> dict[str, tuple[FloatArray, FloatArray]]:
        """Policies to be judged, by name: the chance of each VLM, and the confidences of its router, (N, S) each."""
        costs = np.broadcast_to(self.cost_usd.mean(axis=0), self.right.shape)
        policy = {"name": "cheapest", "tau": CHEAP_FROM, "of": "cost"}
        cheapest = select(self.confidence, policy, self.vlms, costs=costs)
        drawn = softmax(logit(self.other) / WARMTH, axis=1)
        each = np.eye(len(self.vlms))
        return {
            "another router": (each[self.other.argmax(axis=1)], self.other),
            "the cheapest above 0.7": (each[cheapest], self.confidence),
            "another router, drawn by confidence": (drawn, self.other),
        }

    def log(self, rng: np.random.Generator, decisions: int, explore: float) -> tuple[IntArray, Logged]:
        """Draw pictures, ask their queries, choose and explore as the gateway does; the rows of the queries too."""
        picked = rng.integers(len(self.pictures), size=decisions)
        rows = np.concatenate([self.pictures[one] for one in picked])[:decisions]
        groups = np.repeat(np.arange(decisions), [len(self.pictures[one]) for one in picked])[:decisions]
        drawn = rng.integers(len(self.vlms), size=decisions)
        chosen = np.where(rng.random(decisions) < explore, drawn, self.greedy[rows])
        chance = explore / len(self.vlms) + (1 - explore) * np.eye(len(self.vlms))[self.greedy[rows]]
        propensity, right = chance[np.arange(decisions), chosen], self.right[rows, chosen]
        confidence = self.confidence[rows]
        return rows, Logged(self.vlms, chosen, propensity, chance > 0, right, confidence, groups, chance)


def sample_population(images_per_benchmark: int, seed: int) -> Population:
    """Draw the embedded sample with no outcome missing, and routers that know its simulator with some noise."""
    with tempfile.TemporaryDirectory(prefix="arms-off-policy-") as temporary:
        folder = Path(temporary) / "sample"
        generate_sample(
            folder, seed=seed, images_per_benchmark=images_per_benchmark, questions_per_image=2, missing_share=0.0
        )
        dataset = read_dataset(folder)
    queries = dataset.queries[dataset.queries["benchmark"] != LEFT_OUT]
    vlms = tuple(vlm.name for vlm in dataset.vlms)

    def table(rows: pd.DataFrame | None, column: str) -> FloatArray:
        assert rows is not None, "the sample knows its chances"
        wide = rows.pivot(index="query_id", columns="vlm", values=column)
        return wide.loc[queries["query_id"], list(vlms)].to_numpy(dtype=np.float64)

    chances = table(dataset.probabilities, "probability").clip(0.01, 0.99)
    rng = np.random.default_rng(seed)
    pictures = queries["images"].map(" ".join)
    picture_of = np.unique(pictures.where(pictures != "", queries["query_id"]), return_inverse=True)[1]
    return Population(
        vlms=vlms,
        right=table(dataset.outcomes, "correct"),
        cost_usd=np.nan_to_num(table(dataset.outcomes, "cost_usd")),  # free VLMs record none
        confidence=expit(logit(chances) + 1.5 * rng.normal(size=chances.shape)),
        other=expit(logit(chances) + 0.7 * rng.normal(size=chances.shape)),
        pictures=tuple(np.flatnonzero(picture_of == picture) for picture in range(picture_of.max() + 1)),
    )

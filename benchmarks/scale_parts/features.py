"""Features that stand for encoders' own: those of few pictures and questions, again and again, in memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from PIL import Image

from arms.data.prepared import Prepared
from arms.features.loader import Features, Queries
from arms.routers.arms import ArmsRouter
from benchmarks.scale_parts.dataset import SEED

_DISTINCT = 1000  # pictures and questions that are encoded


@dataclass(frozen=True)
class StandIns:
    """Features of made-up pictures and questions."""

    images: Features
    texts: Features

    @classmethod
    def by(cls, net: ArmsRouter) -> Self:
        """As a net's own encoders make them."""
        rng = np.random.default_rng(SEED)
        pixels = rng.integers(0, 255, (_DISTINCT, 64, 64, 3), dtype=np.uint8)
        questions = [f"How many red shapes are left of number {number}?" for number in range(_DISTINCT)]
        queries = net.encode([[Image.fromarray(picture)] for picture in pixels], questions)
        return cls(queries.images, queries.texts)

    def queries(self, prepared: Prepared, splits: Sequence[str]) -> Queries:
        """The queries of some splits, each with the features of some picture, if it has one, and some question."""
        rng = np.random.default_rng(SEED)
        frames = [prepared.split(split) for split in splits]
        ids = tuple(query_id for frame in frames for query_id in frame["query_id"])
        has_image = np.concatenate([frame["images"].str.len().to_numpy() > 0 for frame in frames])
        image_rows = np.where(has_image, rng.integers(0, _DISTINCT, len(ids)), -1)
        return Queries(ids, self.images, self.texts, image_rows, rng.integers(0, _DISTINCT, len(ids)))

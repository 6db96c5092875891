"""A prepared dataset joined to its features: the source of queries and of everything that routers learn from."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import torch

from arms.data.costs import costs_of
from arms.data.prepared import Prepared
from arms.data.profiles import profile_sentence
from arms.encoders.joint import JointEncoder
from arms.encoders.pair import EncoderPair
from arms.features.labelled import Answers, Labelled
from arms.features.loader import Features, Pairs, Queries, gather_queries
from arms.features.pooling import add_embeddings, embed_texts
from arms.params.costs import CostsParams

if TYPE_CHECKING:
    from arms.features.store import FeatureStore


@dataclass(frozen=True)
class Embedder:
    """Untuned encoders that pool features into embeddings, and the batch size and device to run them with."""

    encoders: EncoderPair
    batch_size: int
    device: torch.device

    def queries(self, queries: Queries) -> Queries:
        """The queries with their pooled embeddings."""
        return add_embeddings(queries, self.encoders, batch_size=self.batch_size, device=self.device)

    def texts(self, texts: Sequence[str]) -> np.ndarray:
        """Embeddings of M texts: shape (M, D), float32, rows of unit norm."""
        return embed_texts(texts, self.encoders, batch_size=self.batch_size, device=self.device)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Prepared tables and the features of their images and texts.

    Attributes
    ----------
    embedder : Embedder or None
        With it, queries have pooled embeddings, and answers and profiles can be embedded.
    costs : CostsParams or None
        With it, labelled queries have costs.
    max_images : int
        Of a query with more, the first ones are read; see `ImageEncoderParams.max_images`.
    joint, pairs : JointEncoder and Features, or None
        With them, queries have pairs.
    """

    prepared: Prepared
    images: Features
    texts: Features
    max_images: int
    embedder: Embedder | None = None
    costs: CostsParams | None = None
    joint: JointEncoder | None = None
    pairs: Features | None = None

    @classmethod
    def open(
        cls,
        prepared: Prepared,
        images: "FeatureStore",
        texts: "FeatureStore",
        *,
        max_images: int,
        budget_bytes: float,
        window_bytes: int,
        joint: JointEncoder | None = None,
        pairs: "FeatureStore | None" = None,
    ) -> Self:
        """Join a prepared dataset to its stores; for the budget and the errors see `open_features`."""
        from arms.features.store import open_features  # routers only embed, and need no stores

        stores = [images, texts] if pairs is None else [images, texts, pairs]
        opened = open_features(stores, budget_bytes=budget_bytes, window_bytes=window_bytes)
        of_pairs = None if pairs is None else opened[2]
        return cls(prepared, opened[0], opened[1], max_images=max_images, joint=joint, pairs=of_pairs)

    @classmethod
    def open_in(
        cls, folder: Path, encoders: EncoderPair, prepared: Prepared, *, budget_bytes: float, window_bytes: int
    ) -> Self:
        """Join a prepared dataset to the features of these encoders in a folder; see `open`."""
        stores = stores_in(folder, encoders)
        return cls.open(
            prepared,
            stores["image"],
            stores["text"],
            max_images=encoders.image.max_images,
            budget_bytes=budget_bytes,
            window_bytes=window_bytes,
            joint=encoders.joint,
            pairs=stores.get("pair"),
        )

    def with_embeddings(self, embedder: Embedder, costs: CostsParams) -> Self:
        """The same dataset with pooled embeddings and costs, for routers that train no encoder."""
        return replace(self, embedder=embedder, costs=costs)

    def embedded_by(self, embedder: Embedder) -> Self:
        """The same dataset with pooled embeddings."""
        return replace(self, embedder=embedder)

    def queries(self, *splits: str) -> Queries:
        """The queries of some splits, one split after the other."""
        frames = [self.prepared.split(split) for split in splits]
        columns = ("query_id", "images_sha256", "question_sha256")
        ids, image_keys, text_keys = ([key for frame in frames for key in frame[column]] for column in columns)
        kept = [keys[: self.max_images] for keys in image_keys]
        queries = gather_queries(ids, kept, text_keys, self.images, self.texts, self._pairs(kept, text_keys))
        return queries if self.embedder is None else self.embedder.queries(queries)

    def _pairs(self, image_keys: Sequence[Sequence[str]], text_keys: Sequence[str]) -> Pairs | None:
        if self.joint is None or self.pairs is None:
            return None
        keys = [self.joint.key(images, text) for images, text in zip(image_keys, text_keys, strict=True)]
        return Pairs.gather(self.pairs, keys, self.joint.width)

    def labelled(self, split: str | Sequence[str], vlms: Sequence[str], *, answers: bool = False) -> Labelled:
        """The queries of a split, or of some one after the other, with what is recorded about a pool of VLMs.

        Parameters
        ----------
        answers : bool
            Embed the VLMs' answers too, if the dataset records them.
        """
        splits = [split] if isinstance(split, str) else split
        queries = self.queries(*splits)
        return Labelled(
            queries=queries,
            vlms=tuple(vlms),
            outcomes=self.prepared.outcome_matrix(queries.ids, vlms),
            costs=self._costs(queries, vlms),
            tags=self._column("task", splits),
            benchmarks=self._column("benchmark", splits),
            answers=self.answers(queries, vlms) if answers else None,
            profiles=self._profiles(vlms),
            scenes=self.prepared.scene_groups(queries.ids),
        )

    def _column(self, name: str, splits: Sequence[str]) -> np.ndarray:
        return np.concatenate([self.prepared.split(split)[name].to_numpy(dtype=str) for split in splits])

    @property
    def has_answers(self) -> bool:
        """Whether the dataset records what the VLMs answered."""
        return bool(self.prepared.recorded_outputs)

    def answers(self, queries: Queries, vlms: Sequence[str]) -> Answers | None:
        """What the VLMs answered to some queries; None if the dataset records no outputs."""
        if not self.has_answers:
            return None
        row_of, vectors = self._answer_vectors
        texts, truths = self.prepared.outputs(queries.ids, vlms)
        rows = np.array([[row_of.get(text, -1) for text in line] for line in texts], dtype=np.int64)
        truth_rows = np.array([row_of.get(text, -1) for text in truths], dtype=np.int64)
        return Answers(vectors, rows.reshape(len(queries), len(vlms)), truth_rows)

    @cached_property
    def _answer_vectors(self) -> tuple[dict[str | None, int], np.ndarray]:
        """The row of each distinct answer, and the embeddings of all of them."""
        assert self.embedder is not None, "answers are read as embeddings"
        texts = sorted({*self.prepared.recorded_outputs, *self.prepared.queries["answer"].dropna()})
        return {text: row for row, text in enumerate(texts)}, self.embedder.texts(texts)

    def _costs(self, queries: Queries, vlms: Sequence[str]) -> np.ndarray | None:
        if self.costs is None:
            return None
        costs = costs_of(self.prepared, queries.ids, vlms, self.costs).charged
        return None if np.isnan(costs).any() else costs.astype(np.float32)

    def _profiles(self, vlms: Sequence[str]) -> np.ndarray | None:
        if self.embedder is None:
            return None
        profile_of = {vlm.name: vlm for vlm in self.prepared.vlms}
        return self.embedder.texts([profile_sentence(profile_of[name], "full") for name in vlms])


def stores_in(folder: Path, encoders: EncoderPair) -> "dict[str, FeatureStore]":
    """The stores of what these encoders give, by modality, as the encode stage writes them."""
    from arms.features.store import FeatureStore  # as above

    prints = encoders.fingerprints
    return {modality: FeatureStore(folder / f"{modality}.zarr", of) for modality, of in prints.items()}

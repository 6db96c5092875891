"""What the routers' stages read: the prepared dataset, both feature stores and the encoders they belong to."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from arms.data.prepared import Prepared, read_prepared
from arms.data.profiles import profile_sentence
from arms.data.scores import Scores, write_scores
from arms.device import choose_device
from arms.encoders.pair import EncoderPair, build_encoders
from arms.encoders.precision import PRECISIONS, EncoderT, fastest_precision, in_precision
from arms.encoders.text import train_tokenizer
from arms.errors import ArmsError
from arms.features.loader import Features, Queries, gather_queries
from arms.features.store import FeatureStore, open_features
from arms.params import PrecisionChoice, TextEncoderParams
from arms.routers.arms import ArmsRouter
from arms.routers.base import Router
from stages.workspace import ROUTERS, Workspace

SCORED_SPLITS = ("val", "id", "ood")


@dataclass(frozen=True)
class Inputs:
    """Queries by split, with outcomes by pool."""

    prepared: Prepared
    images: Features
    texts: Features

    def queries(self, *splits: str) -> Queries:
        """The queries of some splits, one split after the other."""
        frames = [self.prepared.split(split) for split in splits]
        columns = ("query_id", "image_sha256", "question_sha256")
        ids, image_keys, text_keys = ([key for frame in frames for key in frame[column]] for column in columns)
        return gather_queries(ids, image_keys, text_keys, self.images, self.texts)

    def outcomes(self, queries: Queries, vlms: Sequence[str]) -> np.ndarray:
        """Outcomes of shape (N, S); see `Prepared.outcome_matrix`."""
        return self.prepared.outcome_matrix(queries.ids, vlms)


def read_inputs(workspace: Workspace) -> tuple[Inputs, EncoderPair]:
    """Read the prepared dataset and its features, and build the encoders as they are before any tuning.

    Raises
    ------
    ArmsError
        If a store is missing, unfinished, damaged, or was made by other settings.
    """
    prepared = read_prepared(workspace.prepared)
    encoders = fresh_encoders(workspace, prepared)
    stores = [
        FeatureStore(workspace.features(modality), encoder.fingerprint)
        for modality, encoder in (("image", encoders.image), ("text", encoders.text))
    ]
    params = workspace.params
    images, texts = open_features(
        stores,
        budget_bytes=params.runtime.cache_budget_gb * 2**30,
        window_bytes=params.train.shuffle_window_mb * 2**20,
    )
    return Inputs(prepared, images, texts), encoders


def fresh_encoders(workspace: Workspace, prepared: Prepared) -> EncoderPair:
    """Both encoders as they are before any tuning; a router trains the tails of its own."""
    tokenizer = learn_tokenizer(workspace.encoders.text, prepared)
    pair = build_encoders(workspace.encoders, seed=workspace.params.seed, tokenizer=tokenizer)
    return replace(
        pair,
        image=settle_precision(pair.image, workspace.encoders.image.precision, workspace, "image"),
        text=settle_precision(pair.text, workspace.encoders.text.precision, workspace, "text"),
    )


def settle_precision(encoder: EncoderT, wanted: PrecisionChoice, workspace: Workspace, modality: str) -> EncoderT:
    """The encoder with its trunk in the precision asked for; auto takes that of a store at hand, else the faster."""
    if wanted != "auto" or not len(encoder.trunk):
        return in_precision(encoder, "float32" if wanted == "auto" else wanted)
    for precision in PRECISIONS:
        candidate = in_precision(encoder, precision)
        if FeatureStore(workspace.features(modality), candidate.fingerprint).exists():
            return candidate
    return in_precision(encoder, fastest_precision(encoder, choose_device(workspace.params.runtime.device)))


def learn_tokenizer(params: TextEncoderParams, prepared: Prepared) -> Tokenizer | None:
    """An own text encoder's vocabulary, from the training questions and base profiles; None for a pretrained one."""
    if params.vocabulary_size is None:
        return None
    profiles = [profile_sentence(vlm, "full") for vlm in prepared.vlms if vlm.name in prepared.base]
    return train_tokenizer([*prepared.split("train")["question"], *profiles], vocabulary_size=params.vocabulary_size)


def router_scores(name: str, pool: str, router: Router, queries: Queries) -> Scores:
    """Score queries with a router."""
    return Scores(name, pool, queries.ids, router.vlms, router.score(queries), router.policy)


def write_router_scores(folder: Path, name: str, pool: str, router: Router, queries: Queries) -> None:
    """Score queries with a router and write the table into a stage's folder."""
    write_scores(router_scores(name, pool, router, queries), folder / f"{name}-{pool}.parquet")


def load_phi(workspace: Workspace, encoders: EncoderPair) -> ArmsRouter:
    """Load Phi as the train stage left it; ArmsError if it was trained on other features than these encoders'."""
    phi = ArmsRouter.from_folder(ROUTERS / "phi", device=workspace.params.runtime.device)
    for own, current in ((phi.encoders.image, encoders.image), (phi.encoders.text, encoders.text)):
        if own.fingerprint != current.fingerprint:
            raise ArmsError(
                f"{ROUTERS / 'phi'} was trained on features {own.fingerprint}, the settings ask for "
                f"{current.fingerprint}; run: dvc repro train"
            )
    return phi

"""What the parts share: how much is run, and the made-up queries, outcomes, costs and answers."""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from arms.features.labelled import Answers, Labelled
from arms.features.loader import Features, Queries
from arms.features.pooled import Embeddings, unit_norm

SEED = 1
_NOTHING = Features({}, {})
_SPREAD_RANK = 32  # directions in which the queries of a topic differ most


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How much is run."""

    rounds: int
    train: int
    fitted: int  # of them, that every router of the settings is fitted on
    val: int
    queries: int  # scored in a batch
    sample: int  # of them, that the plain loops take, one by one
    singles: int  # of them, scored one by one
    vlms: int
    width: int  # of the text embedding, and of the image embedding
    sources: int
    topics: int  # of all sources
    answers: int  # distinct texts
    neighbours: int  # K
    curve_queries: int
    curve_points: int  # that the plain sweep takes


@dataclass(frozen=True, eq=False)
class Setup:
    """What every part receives: how much is run, and made-up queries with all that can be recorded of VLMs."""

    scale: Scale
    train: Labelled
    val: Labelled
    scored: Labelled


def make_setup(scale: Scale) -> Setup:
    """Queries of several sources, each with topics, that some VLMs are better at than others.

    Embeddings are the sum of a source's centre, a topic's, a spread in a few directions and noise in all. The nearest
    neighbours of a query are therefore of its own topic first, then of its source, as with the embeddings of the
    bundled encoders, on which an IVF index has to look at about as many of its lists.
    """
    rng = np.random.default_rng(SEED)
    num = scale.train + scale.val + scale.queries
    shape = num, scale.vlms
    source_T, topic_N = rng.integers(0, scale.sources, scale.topics), rng.integers(0, scale.topics, num)
    text, image = (_embed(rng, scale, source_T, topic_N) for _ in range(2))
    none = np.zeros(num, dtype=np.int64)
    queries = Queries(tuple(map(str, range(num))), _NOTHING, _NOTHING, none, none, Embeddings(text, image))

    ability_S = rng.normal(size=scale.vlms)
    strengths = rng.normal(size=(scale.sources, scale.vlms))[source_T] + rng.normal(size=(scale.topics, scale.vlms))
    outcomes = (rng.random(shape) < expit(ability_S + strengths)[topic_N]).astype(np.float32)
    price_S = np.geomspace(1e-5, 5e-3, scale.vlms)[np.argsort(np.argsort(ability_S))]
    texts, profiles = (
        unit_norm(rng.normal(size=(count, scale.width))).astype(np.float32) for count in (scale.answers, scale.vlms)
    )
    truth_rows, wrong_rows = rng.integers(0, scale.answers, num), rng.integers(0, scale.answers, shape)
    made = Labelled(
        queries,
        tuple(f"vlm-{number}" for number in range(scale.vlms)),
        outcomes,
        costs=(price_S * rng.lognormal(0, 0.3, shape)).astype(np.float32),
        tags=np.char.add("source-", source_T[topic_N].astype(str)),
        profiles=profiles,
        answers=Answers(texts, np.where(outcomes == 1, truth_rows[:, None], wrong_rows), truth_rows),
    )
    parts = np.split(np.arange(num), [scale.train, scale.train + scale.val])
    return Setup(scale, *(made.subset(rows) for rows in parts))


def _embed(rng: np.random.Generator, scale: Scale, source_T: np.ndarray, topic_N: np.ndarray) -> np.ndarray:
    """Embeddings of one side, shape (N, D), float32."""

    def normal(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape, dtype=np.float32)

    topics = normal(scale.sources, scale.width)[source_T] + 0.7 * normal(scale.topics, scale.width)
    num = len(topic_N)
    spread = normal(num, _SPREAD_RANK) @ normal(_SPREAD_RANK, scale.width) / np.float32(_SPREAD_RANK**0.5)
    return topics[topic_N] + 0.5 * spread + 0.2 * normal(num, scale.width)

"""Made-up queries, memories and nets, for tests of what joins them."""

import numpy as np

from arms.data.query_forms import FORMS
from arms.features.loader import Features, Queries
from arms.features.pooled import Embeddings
from arms.params.training import SafeParams
from arms.routers.base import BaseRouter
from arms.safe.evidence import Evidence
from arms.safe.joint import SOURCES
from arms.safe.memory import Memory
from tests.fakes import label

NOTHING = Features({}, {})


def safe_params(**changes):
    """Few folds."""
    settings = {"use": True, "num_folds": 3, "most_kinds": 4, "tolerance": 0.01, "index": "flat"}
    return SafeParams(**{**settings, **changes})


def queries_of(vectors, ids=None):
    """Queries whose questions and pictures have these embeddings, shape (N, D); each picture is its own."""
    vectors, rows = np.asarray(vectors, dtype=np.float32), np.arange(len(vectors))
    ids = tuple(f"q{row}" for row in rows) if ids is None else tuple(ids)
    return Queries(ids, NOTHING, NOTHING, rows, rows, Embeddings(vectors.copy(), vectors.copy()))


def label_vectors(vectors, outcomes, ids=None, **more):
    """Such queries with outcomes."""
    return label(queries_of(vectors, ids), outcomes, **more)


def remember(vectors, outcomes):
    """The memory of such queries."""
    return Memory.of(label_vectors(vectors, outcomes), "flat")


def directions(count, width=32, seed=0):
    """Random vectors of unit norm, and their opposites, so their mean is 0: shape (count, width)."""
    half = np.random.default_rng(seed).normal(size=(count // 2, width))
    half /= np.linalg.norm(half, axis=1, keepdims=True)
    return np.concatenate([half, -half])


def clusters(count, seed, num_clusters=3, width=16):
    """Queries around a few centres: vectors of shape (count, width), and the cluster of each."""
    random = np.random.default_rng(seed)
    cluster = random.integers(0, num_clusters, count)
    return np.eye(width)[cluster] + 0.05 * random.normal(size=(count, width)), cluster


def draw(chances, seed):
    """Outcomes that are right with these chances, float32."""
    return (np.random.default_rng(seed).random(np.shape(chances)) < chances).astype(np.float32)


def evidence_of(contrasts, base=None, novelty=None):
    """Evidence from the contrasts of C sources, shape (M, S, C)."""
    contrasts = np.asarray(contrasts, dtype=np.float64)
    size, pool, sources = contrasts.shape
    base = np.zeros(pool) if base is None else np.asarray(base, dtype=np.float64)
    novelty = np.full(size, 0.5) if novelty is None else np.asarray(novelty, dtype=np.float64)
    levels, forms = np.zeros((size, sources)), np.full(size, FORMS[0])
    return Evidence(np.tile(base, (size, 1)), contrasts, np.ones(contrasts.shape), levels, novelty, forms)


def contrasts_of(**by_source):
    """Contrasts of shape (1, S, C) from those of the net, of the neighbours, or of both."""
    pool = len(next(iter(by_source.values())))
    return np.stack([by_source.get(source, np.zeros(pool)) for source in SOURCES], axis=1)[None]


class FakeNet(BaseRouter):
    """Scores queries by a function of their embeddings, shape (N, D) to confidences of shape (N, S)."""

    def __init__(self, confidence, num_vlms=3):
        self.confidence, self.vlms = confidence, tuple(map(str, range(num_vlms)))

    def fit(self, train, val=None):
        return self

    def score(self, queries):
        return self.confidence(queries.embeddings.text).astype(np.float32)


def noise_net(num_vlms=3, seed=0):
    """Sure of some VLM or other on each query, and always of the same one when it is asked again."""
    secret = np.random.default_rng(seed).normal(size=(64, num_vlms)) * 1e3
    return FakeNet(lambda vectors: 1 / (1 + np.exp(-3 * np.sin(vectors @ secret[: vectors.shape[1]]))), num_vlms)

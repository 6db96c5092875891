"""Queries made of plain vectors, for tests of routers on pooled embeddings; read them with features="concat"."""

import numpy as np
import torch

from arms.features.labelled import Labelled
from arms.features.loader import Features, Queries
from arms.features.pooled import Embeddings
from tests.fakes import label

NOTHING = Features({}, {})
VLMS = ("a", "b", "c")


def queries_of(vectors):
    """Queries whose feature vectors are exactly these, shape (N, D)."""
    vectors = np.asarray(vectors, dtype=np.float32)
    rows = np.zeros(len(vectors), dtype=np.int64)
    embeddings = Embeddings(vectors, np.empty((len(vectors), 0), dtype=np.float32))
    return Queries(tuple(map(str, range(len(vectors)))), NOTHING, NOTHING, rows, rows, embeddings)


def label_vectors(vectors, outcomes, **more):
    """Such queries with outcomes of VLMs a, b, c and so on; `vectors` are theirs, as a router would choose them."""
    queries, names = queries_of(vectors), "abcdefgh"[: np.shape(outcomes)[1]]
    return label(queries, outcomes, names, vectors=queries.embeddings.text, **more)


def learnable(count, seed, unknown=0.0):
    """Queries of five numbers: a is right where the first is positive, b elsewhere, c on a random 60 %."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(count, 5))
    positive = vectors[:, 0] > 0
    outcomes = np.stack([positive, ~positive, rng.random(count) < 0.6], axis=1).astype(np.float32)
    outcomes[rng.random(outcomes.shape) < unknown] = np.nan
    return label_vectors(vectors, outcomes)


def noisy(count, seed):
    """Queries of five numbers that tell a little of three VLMs' outcomes, a fifth of which are unknown."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(count, 5))
    chances = 1 / (1 + np.exp(-vectors[:, :3] - [0.5, 0.0, -0.5]))
    outcomes = (rng.random(chances.shape) < chances).astype(np.float32)
    outcomes[rng.random(outcomes.shape) < 0.2] = np.nan
    return label_vectors(vectors, outcomes)


def em_on(data, router):
    """The router's EM on queries with outcomes, by its confidences."""
    return data.em(router.score(data.queries))


def raw_em_on(data, router):
    """The same by what the router computes before that becomes a confidence."""
    return data.em(router.score_vectors(data.vectors))


def best_share(data):
    """The share of queries on which the VLM that is right most often is right."""
    return np.nanmean(data.outcomes, axis=0).max()


def watch_em(monkeypatch):
    """A list that grows by every EM on queries with outcomes that is computed from now on."""
    ems, em = [], Labelled.em
    monkeypatch.setattr(Labelled, "em", lambda self, scores: ems.append(em(self, scores)) or ems[-1])
    return ems


def check_randomness(make):
    """The seed decides all, whatever torch's own generator would draw, and that is left as it was."""
    train, scores = noisy(40, 0), []
    for torch_seed, seed in ((1, 0), (2, 0), (2, 1)):
        torch.manual_seed(torch_seed)
        before = torch.get_rng_state()
        scores.append(make(epochs=2, seed=seed).fit(train).score(train.queries))
        assert torch.equal(torch.get_rng_state(), before)
    np.testing.assert_array_equal(scores[0], scores[1])
    assert (scores[0] != scores[2]).any()

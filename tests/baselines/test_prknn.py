from dataclasses import replace

import numpy as np
import pytest

from arms.baselines.prknn import PrknnRouter, copeland
from arms.features.labelled import masked_em
from arms.features.loader import Features, Queries
from arms.features.pooled import Embeddings
from tests.fakes import label

NAN = np.nan
NOTHING = Features({}, {})
VLMS = ("a", "b", "c", "d")


def make(count, seed):
    """Queries with random embeddings, outcomes of which a third is unknown, and costs, some of them alike."""
    rng = np.random.default_rng(seed)
    rows = np.zeros(count, dtype=np.int64)
    embeddings = Embeddings(*rng.normal(size=(2, count, 3)).astype(np.float32))
    queries = Queries(tuple(map(str, range(count))), NOTHING, NOTHING, rows, rows, embeddings)
    outcomes = rng.choice([0, 1, NAN], size=(count, 4)).astype(np.float32)
    return label(queries, outcomes, VLMS, costs=rng.integers(1, 4, size=(count, 4)).astype(np.float32))


def prknn(num_neighbours, weights="distance"):
    return PrknnRouter(VLMS, features="normalised", num_neighbours=num_neighbours, weights=weights, index="flat")


def duel(outcomes, costs, m, b):
    """1 if m beats b, -1 if b beats m, 0 for a draw, None if they cannot be compared."""
    if np.isnan(outcomes[m]) or np.isnan(outcomes[b]):
        return None
    if outcomes[m] != outcomes[b]:
        return 1 if outcomes[m] > outcomes[b] else -1
    if costs is None or costs[m] == costs[b]:
        return 0
    return 1 if costs[m] < costs[b] else -1


def by_loop(train, queries, num_neighbours, weights):
    """The same in plain Python, over neighbours and pairs of VLMs; NaN where neighbours compare a VLM with nobody."""
    known_vectors = train.queries.embeddings.matrix("normalised")
    scores = np.zeros((len(queries), len(VLMS)))
    for i, vector in enumerate(queries.embeddings.matrix("normalised")):
        cosines = known_vectors @ vector
        nearest = np.argsort(-cosines, kind="stable")[:num_neighbours]
        for m in range(len(VLMS)):
            won = total = 0.0
            for k in nearest:
                weight = 1.0 if weights == "uniform" else max(cosines[k], 1e-6)
                for b in range(len(VLMS)):
                    result = (
                        None
                        if b == m
                        else duel(train.outcomes[k], None if train.costs is None else train.costs[k], m, b)
                    )
                    if result is not None:
                        won, total = won + weight * result, total + weight
            scores[i, m] = won / total if total else NAN
    return scores


def filled_by_loop(train, queries, num_neighbours, weights):
    """The same, over all training queries alike where the neighbours tell nothing."""
    scores, overall = (by_loop(train, queries, *how) for how in ((num_neighbours, weights), (len(train), "uniform")))
    return np.where(np.isnan(scores), overall, scores)


@pytest.mark.parametrize("weights", ["uniform", "distance"])
@pytest.mark.parametrize("with_costs", [True, False])
@pytest.mark.parametrize("num_neighbours", [1, 6, 30, 100])
def test_plain_loop(num_neighbours, with_costs, weights):
    train, queries = make(30, 0), make(12, 1).queries
    train = train if with_costs else replace(train, costs=None)
    router = prknn([num_neighbours], weights).fit(train)
    scores = router.score_vectors(queries.embeddings.matrix("normalised"))
    np.testing.assert_allclose(scores, filled_by_loop(train, queries, num_neighbours, weights), atol=1e-5)
    assert np.abs(scores).max() <= 1
    order = [np.argsort(-values, axis=1, kind="stable") for values in (scores, router.score(queries))]
    np.testing.assert_array_equal(*order)


def test_copeland_by_hand():
    outcomes = np.array([[1, 0, 1, NAN], [0, 0, 0, 0], [NAN, NAN, 1, NAN]], dtype=np.float32)
    costs = np.array([[3, 1, 2, 9], [1, 2, 2, 5], [1, 1, 1, 1]], dtype=np.float32)
    wins, pairs = copeland(outcomes, costs)
    # a and c are right and beat b, c is the cheaper of the two; on the second query price alone decides.
    assert wins.tolist() == [[0, -2, 2, 0], [3, 0, 0, -3], [0, 0, 0, 0]]
    assert pairs.tolist() == [[2, 2, 2, 0], [3, 3, 3, 3], [0, 0, 0, 0]]
    assert copeland(outcomes)[0].tolist() == [[1, -2, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]]


def test_wins_are_losses_of_others():
    made = make(200, 3)
    for given in (made.costs, None):
        wins, pairs = copeland(made.outcomes, given)
        assert (wins.sum(axis=1) == 0).all()
        assert (np.abs(wins) <= pairs).all()
        np.testing.assert_array_equal(
            copeland(made.outcomes[:, ::-1], None if given is None else given[:, ::-1])[0], wins[:, ::-1]
        )


def test_nothing_to_compare_tells_nothing():
    train = replace(make(30, 0), costs=None)
    train.outcomes[:, 1:] = NAN
    scores = prknn([5]).fit(train).score_vectors(train.queries.embeddings.matrix("normalised"))
    assert (scores == 0).all()


def test_k_is_chosen_on_val():
    train, val = make(60, 0), make(80, 1)
    candidates = [3, 1, 15, 60]

    def em(num_neighbours):
        return masked_em(filled_by_loop(train, val.queries, num_neighbours, "distance"), val.outcomes)

    assert prknn(candidates).fit(train, val).num_neighbours == max(candidates, key=em)
    assert len({em(k) for k in candidates}) > 1
    assert prknn(candidates).fit(train).num_neighbours == 3


def test_it_takes_the_cheapest_of_those_that_are_right():
    """a and b are right on one side of the space, c and d on the other one; b and d cost less."""
    train, test = make(600, 0), make(200, 1)
    for part in (train, test):
        left = part.queries.embeddings.text[:, 0] < 0
        part.outcomes[:] = np.column_stack([left, left, ~left, ~left])
        part.costs[:] = [2, 1, 2, 1]
    chosen = prknn([15]).fit(train).score(test.queries).argmax(axis=1)
    assert test.outcomes[np.arange(200), chosen].mean() > max(0.9, test.outcomes.mean(axis=0).max() + 0.2)
    assert np.isin(chosen, [1, 3]).all()

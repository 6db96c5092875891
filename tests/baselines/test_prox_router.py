from dataclasses import replace

import numpy as np
import pytest

from arms.baselines.prox_router import ProxRouter
from arms.baselines.registry import build_router
from arms.errors import ArmsError
from tests.baselines.made_vectors import VLMS, best_share, em_on, label_vectors, learnable, noisy, queries_of, raw_em_on

NAN = np.nan
SETTINGS = {
    "features": "concat",
    "references": "queries",
    "num_references": [10],
    "temperature": [0.3],
    "pseudo_count": [0.0],
    "index": "flat",
}


def make(seed=0, vlms=VLMS, **changes):
    return ProxRouter(vlms, **(SETTINGS | changes), seed=seed)


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def shares(outcomes):
    """Each VLM's share of right outcomes."""
    columns = [column[~np.isnan(column)] for column in np.asarray(outcomes).T]
    return np.array([(column.sum() + 0.5) / (len(column) + 1) for column in columns])


def mean_by_loop(distances, priors, outcomes, share, temperature, pseudo_count):
    """One VLM's mean on references of one outcome each."""
    top, bottom = pseudo_count * share, pseudo_count
    for distance, prior, outcome in zip(distances, priors, outcomes, strict=True):
        if not np.isnan(outcome):
            top += prior * np.exp(-distance / temperature) * outcome
            bottom += prior * np.exp(-distance / temperature)
    return top / bottom if bottom else share


@pytest.mark.parametrize("num_references", [1, 7, 1000])
@pytest.mark.parametrize(("temperature", "pseudo_count"), [(0.05, 0.0), (0.3, 2.0)])
def test_nearest_queries_by_loop(num_references, temperature, pseudo_count):
    train, test = noisy(40, 0), noisy(15, 1)
    router = make(num_references=[num_references], temperature=[temperature], pseudo_count=[pseudo_count])
    scores = router.fit(train).score(test.queries)
    share = shares(train.outcomes)
    for i, vector in enumerate(unit(test.vectors)):
        distances = 1 - unit(train.vectors) @ vector
        near = np.argsort(distances)[:num_references]
        for j in range(3):
            expected = mean_by_loop(
                distances[near], np.ones(len(near)), train.outcomes[near, j], share[j], temperature, pseudo_count
            )
            assert scores[i, j] == pytest.approx(expected, abs=1e-5)


def test_clusters_by_hand():
    """Two clusters, 0.2 and 0.4 radians wide to either side; a query counts with its cluster's size over spread."""
    angles = np.array([-0.2, 0.0, 0.2, 1.6, 2.4])
    outcomes = [[1, 1, NAN], [0, 1, NAN], [1, NAN, NAN], [0, 0, NAN], [1, 0, NAN]]
    train = label_vectors(np.stack([np.cos(angles), np.sin(angles)], axis=1), outcomes)
    router = make(references="clusters", num_references=[2], temperature=[0.5], pseudo_count=[1.5]).fit(train)
    at = 0.6
    scores = router.score(queries_of([[np.cos(at), np.sin(at)]]))[0]
    distances = 1 - np.cos(angles - [0, 0, 0, 2.0, 2.0])
    mean = distances.mean()
    priors = mean / np.array([distances[:3].mean()] * 3 + [distances[3:].mean()] * 2)
    tilts = 1 - np.cos(at - np.array([0, 0, 0, 2.0, 2.0]))
    for j, share in enumerate(shares(outcomes)):
        expected = mean_by_loop(tilts, priors, np.array(outcomes)[:, j], share, 0.5, 1.5)
        assert scores[j] == pytest.approx(expected, abs=1e-5)
    assert scores[2] == pytest.approx(0.5), "nothing is known of it"


def test_a_cluster_of_copies_does_not_outweigh_all():
    """Its spread is 0; it counts as a cluster of a tenth of the mean spread."""
    angles = np.array([0.0, 0.0, 1.8, 2.2])
    train = label_vectors(np.stack([np.cos(angles), np.sin(angles)], axis=1), [[1], [1], [0], [0]])
    router = make(vlms="a", references="clusters", num_references=[2], temperature=[1e6]).fit(train)
    copies, spread = 2 / 0.1, 2 / 2  # the other cluster's spread is twice the mean of all
    assert router.score(train.queries)[0, 0] == pytest.approx(copies / (copies + spread), abs=1e-5)


@pytest.mark.parametrize("references", ["queries", "clusters"])
def test_alike_vectors(references):
    train = label_vectors(np.ones((6, 2)), [[1, 0, NAN]] * 6)
    scores = make(references=references, num_references=[3]).fit(train).score(train.queries)
    np.testing.assert_allclose(scores, [[1, 0, 0.5]] * 6, atol=1e-6)


@pytest.mark.parametrize("references", ["queries", "clusters"])
def test_an_outlier_shrinks_to_the_share(references):
    train = label_vectors([[1, 0.01 * i] for i in range(8)], [[1, 0, 1]] * 8)
    train.outcomes[0] = [0, 1, 1]
    router = make(references=references, num_references=[4], temperature=[0.1], pseudo_count=[1.0]).fit(train)
    near, far, farther = router.score(queries_of([[1, 0.05], [0.5, 1], [-1, 0]]))
    share = shares(train.outcomes)
    assert np.abs(near - share).max() > np.abs(far - share).max() > np.abs(farther - share).max()
    np.testing.assert_allclose(farther, share, atol=1e-6)


@pytest.mark.parametrize("references", ["queries", "clusters"])
def test_without_a_pseudo_count_an_outlier_follows_its_nearest(references):
    train = label_vectors([[1, 0], [1, 0.1], [0, 1], [0.1, 1]], [[1, 0], [1, 0], [0, 1], [0, 1]])
    router = make(vlms="ab", references=references, num_references=[2], temperature=[0.02]).fit(train)
    far = router.score(queries_of([[-1, -0.5], [-0.5, -1]]))
    np.testing.assert_array_equal(far.argmax(axis=1), [1, 0])


def test_a_large_temperature_is_the_plain_mean():
    train = noisy(40, 0)
    for references, num in (("queries", 40), ("clusters", 1)):
        router = make(references=references, num_references=[num], temperature=[1e9]).fit(train)
        expected = np.nanmean(train.outcomes, axis=0)
        np.testing.assert_allclose(router.score(noisy(5, 1).queries), np.tile(expected, (5, 1)), atol=1e-5)


def test_a_small_temperature_is_the_nearest_query():
    train = noisy(40, 0)
    train.outcomes[:] = np.nan_to_num(train.outcomes)
    scores = make(temperature=[1e-5]).fit(train).score(train.queries)
    np.testing.assert_allclose(scores, train.outcomes, atol=1e-4)


def test_the_length_of_vectors_is_of_no_matter():
    train, test = noisy(40, 0), noisy(10, 1)
    longer = label_vectors(train.vectors * np.linspace(1, 9, 40)[:, None], train.outcomes)
    for references in ("queries", "clusters"):
        one, other = (make(references=references).fit(part).score(test.queries) for part in (train, longer))
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_what_an_approximate_index_did_not_find_weighs_nothing():
    router = make().fit(noisy(40, 0))
    cosines, rows = np.array([[0.9, 0.5, 0], [0.9, 0.5, 0.5]], np.float32), np.array([[4, 7, -1], [4, 7, 8]])
    one, whole = (sums for sums in zip(*router.references.sums(cosines, rows, 0.5), strict=True))
    told = router.references.told.numpy()
    weights = np.exp((cosines[0].astype(np.float64) - 1) / 0.5)
    np.testing.assert_allclose(np.concatenate(one), weights[0] * told[4] + weights[1] * told[7])
    np.testing.assert_allclose(np.concatenate(whole) - np.concatenate(one), weights[1] * told[8])


@pytest.mark.parametrize("references", ["queries", "clusters"])
def test_the_settings_are_chosen_on_val(references):
    train, val = noisy(60, 0), noisy(60, 1)
    lists = {"num_references": [30, 3], "temperature": [3.0, 0.02, 0.2], "pseudo_count": [5.0, 0.0]}
    choices = [
        {"num_references": [num], "temperature": [temperature], "pseudo_count": [count]}
        for num in lists["num_references"]
        for temperature in lists["temperature"]
        for count in lists["pseudo_count"]
    ]

    def em(choice):
        return raw_em_on(val, make(references=references, **choice).fit(train))

    best = max(choices, key=em)
    assert best != choices[0]
    router = make(references=references, **lists).fit(train, val)
    assert [router.references.num_used] == best["num_references"]
    assert [router.temperature] == best["temperature"]
    assert [router.pseudo_count] == best["pseudo_count"]
    for nothing in (None, val.subset(np.arange(0)), val.forget(np.full(60, True), VLMS)):
        router = make(references=references, **lists).fit(train, nothing)
        assert (router.references.num_used, router.temperature, router.pseudo_count) == (30, 3.0, 5.0)


@pytest.mark.parametrize("references", ["queries", "clusters"])
def test_it_learns_with_a_third_unknown(references):
    train, test = learnable(400, 0, unknown=0.3), learnable(300, 1)
    assert em_on(test, make(references=references, num_references=[30]).fit(train)) > best_share(test) + 0.1


def test_the_seed_is_that_of_the_clusters():
    train = noisy(60, 0)
    of_clusters, of_queries = (
        [make(seed, references=references).fit(train).score(train.queries) for seed in (0, 0, 1)]
        for references in ("clusters", "queries")
    )
    np.testing.assert_array_equal(of_clusters[0], of_clusters[1])
    assert (of_clusters[0] != of_clusters[2]).any()
    np.testing.assert_array_equal(of_queries[0], of_queries[2])


def test_no_more_clusters_than_distinct_vectors():
    train = label_vectors([[0, 1], [5, 5], [9, 0]] * 4, [[1, 0, 0], [0, 1, 0], [0, 0, 1]] * 4)
    router = make(references="clusters", num_references=[50], temperature=[0.05]).fit(train)
    assert router.references.told.shape == (3, 6)
    assert (router.score(train.queries).argmax(axis=1) == [0, 1, 2] * 4).all()


def test_embeddings_are_needed():
    train = noisy(5, 0)
    with pytest.raises(ArmsError, match=r"no pooled embeddings; make them with arms\.features\.pooling"):
        make().fit(replace(train, queries=replace(train.queries, embeddings=None)))


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("references", "tasks", r"references: expected 'queries' or 'clusters', got 'tasks'"),
        ("temperature", [0.0], r"temperature\.0: expected greater than 0, got 0"),
        ("pseudo_count", [-1.0], r"pseudo_count\.0: expected greater than or equal to 0, got -1"),
        ("num_references", [], r"num_references: expected 1 or more"),
    ],
)
def test_settings_are_checked(setting, value, message):
    with pytest.raises(ArmsError, match=r"baselines\.prox-router\." + message):
        build_router("prox-router", VLMS, SETTINGS | {setting: value}, seed=1)

import numpy as np
import pytest
import torch

from arms.baselines.registry import build_router
from arms.baselines.router_dc import RouterDcRouter, contrast, draw_among, find_clusters
from arms.errors import ArmsError
from tests.baselines.made_vectors import (
    VLMS,
    best_share,
    check_randomness,
    em_on,
    label_vectors,
    learnable,
    noisy,
    queries_of,
    raw_em_on,
)

NAN = np.nan
SETTINGS = {
    "features": "concat",
    "width": 8,
    "top_k": 2,
    "bottom_k": 2,
    "num_clusters": 4,
    "num_negatives": 3,
    "cluster_weight": [0.1],
    "temperature": 0.2,
    "epochs": 15,
    "batch_size": 32,
    "learning_rate": 0.02,
    "weight_decay": 0.0,
}


def make(vlms=VLMS, seed=0, **changes):
    return RouterDcRouter(vlms, **{**SETTINGS, **changes}, seed=seed)


def test_contrast_by_loop():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(30, 5))
    kinds = rng.choice(["right", "wrong", "neither"], size=(30, 5))
    total = 0.0
    for row, kind in zip(logits, kinds, strict=True):
        negatives = sum(np.exp(x) for x, k in zip(row, kind, strict=True) if k == "wrong")
        total += sum(
            -np.log(np.exp(x) / (np.exp(x) + negatives)) for x, k in zip(row, kind, strict=True) if k == "right"
        )
    loss = contrast(torch.tensor(logits), torch.tensor(kinds == "right"), torch.tensor(kinds == "wrong"))
    assert loss.item() == pytest.approx(total / 30)


def test_contrast_by_hand():
    """cos 0.5 against 0.5 and -0.5: log(2 + exp(-1)); rows without one kind count 0, and so do unknown VLMs."""
    logits = torch.tensor([[0.5, 0.5, -0.5, 9.0], [0.5, 0.5, 0.5, 9.0], [0.5, 0.5, 0.5, 9.0]], requires_grad=True)
    outcomes = torch.tensor([[1, 0, 0, NAN], [1, 1, 1, NAN], [0, 0, NAN, NAN]])
    loss = contrast(logits, outcomes == 1, outcomes == 0)
    assert loss.item() == pytest.approx(np.log(2 + np.exp(-1)) / 3, rel=1e-5)
    loss.backward()
    assert torch.isfinite(logits.grad).all()
    assert (logits.grad[:, 3] == 0).all()
    assert (logits.grad[1:] == 0).all()
    assert logits.grad[0, 0] < 0 < logits.grad[0, 2] < logits.grad[0, 1]


def infonce(positive, negatives, temperature=0.2):
    """One positive cosine against some negative ones."""
    exponentials = np.exp(np.array([positive, *negatives]) / temperature)
    return -np.log(exponentials[0] / exponentials.sum())


def test_queries_against_vlms():
    """All right VLMs where top_k allows, else one of them; an unknown VLM is neither right nor wrong."""
    cosines = torch.tensor([[0.9, 0.1, -0.3, 0.5], [0.2, 0.4, 0.6, 0.8]])
    outcomes = torch.tensor([[1, 1, 0, NAN], [NAN, 0, 1, 0]])
    draw = torch.Generator().manual_seed(0)
    expected = infonce(0.9, [-0.3]) + infonce(0.1, [-0.3]) + infonce(0.6, [0.4, 0.8])
    assert make(top_k=9, bottom_k=9).vlm_contrast(cosines, outcomes, draw).item() == pytest.approx(expected / 2)
    seen = {round(make(top_k=1, bottom_k=1).vlm_contrast(cosines, outcomes, draw).item(), 4) for _ in range(60)}
    ways = [(infonce(a, [-0.3]) + infonce(0.6, [b])) / 2 for a in (0.9, 0.1) for b in (0.4, 0.8)]
    np.testing.assert_allclose(sorted(seen), sorted(ways), atol=1e-4)


def test_queries_against_queries():
    """Two pairs and a single one, which has no positive; a query is no positive of its own."""
    rng = np.random.default_rng(0)
    cosines = rng.uniform(-1, 1, size=(5, 5)).astype(np.float32)
    np.fill_diagonal(cosines, 1)
    clusters = torch.tensor([0, 1, 0, 2, 1])
    draw = torch.Generator().manual_seed(0)
    loss = make(num_negatives=9).query_contrast(torch.from_numpy(cosines), clusters, draw)
    partner = {0: 2, 2: 0, 1: 4, 4: 1}
    terms = [infonce(cosines[i, j], [cosines[i, k] for k in range(5) if k not in (i, j)]) for i, j in partner.items()]
    assert loss.item() == pytest.approx(sum(terms) / 5, rel=1e-4)
    few = make(num_negatives=1).query_contrast(torch.from_numpy(cosines), clusters, draw)
    assert few.item() < loss.item()


def test_a_draw_among_equals():
    """So many of the allowed ones, or all where they are fewer, each as often as the others."""
    allowed = torch.tensor([[True, True, True, False], [False, False, True, False], [False] * 4])
    generator = torch.Generator().manual_seed(0)
    draws = torch.stack([draw_among(allowed, 2, generator) for _ in range(3000)])
    assert not (draws & ~allowed).any()
    assert (draws.sum(dim=2) == torch.tensor([2, 1, 0])).all()
    np.testing.assert_allclose(draws[:, 0, :3].float().mean(dim=0), 2 / 3, atol=0.04)
    assert torch.equal(draw_among(allowed, 9, generator), allowed)


def test_clusters():
    """Two heaps apart; never more clusters than distinct vectors."""
    rng = np.random.default_rng(0)
    heaps = np.repeat([[0.0, 0.0], [5.0, 5.0]], 20, axis=0) + rng.normal(scale=0.1, size=(40, 2))
    clusters = find_clusters(heaps.astype(np.float32), 2, seed=0)
    assert len(set(clusters[:20])) == len(set(clusters[20:])) == 1
    assert clusters[0] != clusters[20]
    few = np.repeat(np.eye(3, dtype=np.float32), 4, axis=0)
    assert len(set(find_clusters(few, 8, seed=0))) == 3


def test_scores_are_cosines():
    train = noisy(40, 0)
    router = make(epochs=2).fit(train)
    with torch.no_grad():
        query = router.net.project(torch.from_numpy(train.vectors)).numpy()
        vlms = router.net.vlms_SH.numpy()
    cosines = query @ vlms.T / np.outer(np.linalg.norm(query, axis=1), np.linalg.norm(vlms, axis=1))
    np.testing.assert_allclose(router.score_vectors(train.vectors), cosines, atol=1e-5)


def test_the_query_contrast_draws_clusters_together():
    """And apart from each other, where outcomes tell nothing of them."""
    rng = np.random.default_rng(0)
    train = label_vectors(rng.normal(size=(200, 5)), rng.integers(0, 2, (200, 3)))
    clusters = find_clusters(train.vectors, 4, seed=0)
    alike = clusters[:, None] == clusters

    def gap(weight):
        """How much more alike queries of one cluster are than others, by their mean cosines."""
        router = make(cluster_weight=[weight]).fit(train)
        with torch.no_grad():
            query = router.net.query(torch.from_numpy(train.vectors)).numpy()
        cosines = query @ query.T
        return cosines[alike].mean() - cosines[~alike].mean()

    assert gap(5.0) > gap(0.0) + 0.1


@pytest.mark.parametrize("cluster_weight", [0.0, 0.5])
def test_it_learns_with_a_third_unknown(cluster_weight):
    train, test = learnable(300, 0, unknown=0.3), learnable(300, 1)
    assert em_on(test, make(cluster_weight=[cluster_weight]).fit(train)) > 0.8 > best_share(test)


def test_lambda_is_chosen_on_val():
    train, val = noisy(60, 0), noisy(80, 1)
    weights = [20.0, 1.0, 0.0]
    alone = [make(cluster_weight=[one], epochs=3).fit(train, val) for one in weights]
    ems = [raw_em_on(val, router) for router in alone]
    chosen = make(cluster_weight=weights, epochs=3).fit(train, val)
    assert len(set(ems)) > 1
    assert chosen.cluster_weight == weights[int(np.argmax(ems))]
    assert make(cluster_weight=weights, epochs=1).fit(train).cluster_weight == 20.0


def test_queries_that_all_look_alike():
    """One cluster: no negatives among the queries."""
    router = make(cluster_weight=[1.0]).fit(label_vectors(np.ones((6, 2)), [[1, 0, 0]] * 6))
    assert router.score(queries_of(np.ones((1, 2)))).argmax() == 0


def test_all_randomness_is_the_seed_s():
    check_randomness(make)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cluster_weight": [-1.0]}, r"baselines\.router-dc\.cluster_weight\.0: expected greater than or equal to 0"),
        ({"top_k": 0}, r"baselines\.router-dc\.top_k: expected greater than or equal to 1, got 0"),
    ],
)
def test_settings_are_checked(changes, message):
    with pytest.raises(ArmsError, match=message):
        build_router("router-dc", VLMS, {**SETTINGS, **changes}, seed=0)

import numpy as np
import pytest
import torch

from arms.baselines.cosine_classifier import CosineRouter, masked_cross_entropy
from arms.baselines.registry import build_router
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
    "logit_scale": [5.0],
    "epochs": 15,
    "batch_size": 32,
    "learning_rate": 0.02,
    "weight_decay": 0.0,
}


def make(vlms=VLMS, seed=0, **changes):
    return CosineRouter(vlms, **{**SETTINGS, **changes}, seed=seed)


def test_cross_entropy_by_loop():
    """Over the known VLMs of the queries that have a target; unknown ones and the other queries count for nothing."""
    rng = np.random.default_rng(0)
    logits = torch.tensor(rng.normal(size=(5, 3)), dtype=torch.float32, requires_grad=True)
    known = torch.tensor([[1, 1, 1], [1, 0, 1], [0, 1, 0], [0, 0, 0], [1, 1, 0]], dtype=torch.bool)
    targets = torch.tensor([[0.5, 0.0, 0.5], [1, 0, 0], [0, 1, 0], [0, 0, 0], [0, 0, 0]])
    losses = []
    for i in (0, 1, 2):
        places = [j for j in range(3) if known[i, j]]
        total = sum(np.exp(logits[i, j].item()) for j in places)
        losses.append(-sum(targets[i, j].item() * np.log(np.exp(logits[i, j].item()) / total) for j in places))
    loss = masked_cross_entropy(logits, targets, known)
    assert loss.item() == pytest.approx(np.mean(losses), rel=1e-5)
    loss.backward()
    assert (logits.grad[~known] == 0).all()
    assert (logits.grad[3:] == 0).all()
    assert (logits.grad[0] != 0).all()


def test_no_target_at_all():
    logits = torch.ones(2, 3, requires_grad=True)
    loss = masked_cross_entropy(logits, torch.zeros(2, 3), torch.ones(2, 3, dtype=torch.bool))
    loss.backward()
    assert loss.item() == 0
    assert (logits.grad == 0).all()


def test_scores_are_cosines():
    train = noisy(40, 0)
    router = make(epochs=2).fit(train)
    centre, linear = router.net.project
    with torch.no_grad():
        query, vlms = linear(centre(torch.from_numpy(train.vectors))).numpy(), router.net.vlms_SH.numpy()
    cosines = query @ vlms.T / np.outer(np.linalg.norm(query, axis=1), np.linalg.norm(vlms, axis=1))
    np.testing.assert_allclose(router.score_vectors(train.vectors), cosines, atol=1e-5)


def test_it_learns_with_a_third_unknown():
    train, test = learnable(300, 0, unknown=0.3), learnable(300, 1)
    assert em_on(test, make().fit(train)) > 0.8 > best_share(test)


def test_the_scale_is_chosen_on_val():
    train, val = noisy(60, 0), noisy(80, 1)
    scales = [0.1, 3.0, 60.0]
    alone = [make(logit_scale=[scale]).fit(train, val) for scale in scales]
    ems = [raw_em_on(val, router) for router in alone]
    chosen = make(logit_scale=scales).fit(train, val)
    assert len(set(ems)) > 1
    assert chosen.logit_scale == scales[int(np.argmax(ems))]
    np.testing.assert_array_equal(chosen.score(val.queries), alone[int(np.argmax(ems))].score(val.queries))
    assert make(logit_scale=scales).fit(train).logit_scale == 0.1


def test_unknown_outcomes_are_not_wrong_ones():
    """b is right on few of the queries it was run on, yet on all where a is wrong; where it was not run, a is right."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(200, 2)).astype(np.float32)
    outcomes = np.stack([vectors[:, 0] < 1, vectors[:, 0] >= 1], axis=1).astype(np.float32)
    outcomes[vectors[:, 0] < 0.5, 1] = NAN
    router = make(("a", "b"), epochs=30).fit(label_vectors(vectors, outcomes))
    far = np.array([[2.5, 0.0], [0.6, 0.0]], dtype=np.float32)
    assert router.score(queries_of(far)).argmax(axis=1).tolist() == [1, 0]


def test_all_randomness_is_the_seed_s():
    check_randomness(make)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"logit_scale": []}, r"baselines\.cosine\.logit_scale: expected 1 or more, got \[\]"),
        ({"logit_scale": [0.0]}, r"baselines\.cosine\.logit_scale\.0: expected greater than 0, got 0\.0"),
        ({"width": 0}, r"baselines\.cosine\.width: expected greater than or equal to 1, got 0"),
        ({"scale": 3.0}, r"baselines\.cosine: unknown key 'scale'; known: features, width, logit_scale"),
    ],
)
def test_settings_are_checked(changes, message):
    with pytest.raises(ArmsError, match=message):
        build_router("cosine", VLMS, {**SETTINGS, **changes}, seed=0)

import numpy as np
import pytest
import torch
from scipy.special import expit

from arms.baselines.hybrid_llm import HybridLlmRouter, as_good_labels, spreading_relaxation
from arms.baselines.registry import build_router
from arms.errors import ArmsError
from tests.baselines.made_vectors import VLMS, best_share, check_randomness, em_on, label_vectors, noisy

NAN = np.nan
SETTINGS = {
    "features": "concat",
    "weak": None,
    "strong": None,
    "label": "deterministic",
    "num_neighbours": 5,
    "hidden_width": 16,
    "threshold": [0.5],
    "epochs": 20,
    "batch_size": 32,
    "learning_rate": 0.02,
    "weight_decay": 0.0,
}
LABELS = ("deterministic", "probabilistic", "transformed")


def make(vlms=VLMS, seed=0, **changes):
    return HybridLlmRouter(vlms, **{**SETTINGS, **changes}, seed=seed)


def made(count, seed):
    """Strong is right on 80 %; weak where the first number is positive; poor on a tenth."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(count, 3))
    weak = vectors[:, 0] > 0
    strong = np.where(weak, rng.random(count) < 0.6, True)
    return label_vectors(vectors, np.stack([weak, strong, rng.random(count) < 0.1], axis=1))


def labels_by_loop(pair, vectors, label, num_neighbours):
    """The same in plain Python, but for the relaxation."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    gaps = []
    for i in range(len(pair)):
        if label == "deterministic":
            gaps.append(NAN if np.isnan(pair[i]).any() else float(pair[i, 0] >= pair[i, 1]))
            continue
        nearest = np.argsort(-(unit @ unit[i]), kind="stable")[:num_neighbours]
        if label == "probabilistic":
            as_good = [pair[k, 0] >= pair[k, 1] for k in nearest if not np.isnan(pair[k]).any()]
            gaps.append(np.mean(as_good) if as_good else NAN)
            continue
        means = [[pair[k, j] for k in nearest if not np.isnan(pair[k, j])] for j in (0, 1)]
        gaps.append(np.mean(means[0]) - np.mean(means[1]) if all(means) else NAN)
    if label != "transformed":
        return np.array(gaps)
    relaxation = spreading_relaxation(np.array([gap for gap in gaps if not np.isnan(gap)]))
    return np.array([NAN if np.isnan(gap) else float(gap >= -relaxation) for gap in gaps])


def test_labels_by_hand():
    pair = np.array([[1, 1], [1, 0], [0, 1], [0, 0], [NAN, 1], [0, NAN]], dtype=np.float32)
    labels = as_good_labels(pair, np.eye(6, dtype=np.float32), "deterministic", 1)
    np.testing.assert_array_equal(labels, [1, 1, 0, 1, NAN, NAN])
    # A query that is its only neighbour stands for itself alone.
    np.testing.assert_array_equal(as_good_labels(pair, np.eye(6, dtype=np.float32), "probabilistic", 1), labels)


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("num_neighbours", [1, 4, 100])
def test_labels_by_loop(label, num_neighbours):
    """Of a weak VLM that is worth its name, so that the labels need relaxing."""
    rng = np.random.default_rng(0)
    pair = np.stack([rng.choice([0, 1, NAN], size=50, p=chances) for chances in ((0.6, 0.2, 0.2), (0.1, 0.7, 0.2))], 1)
    vectors = rng.normal(size=(50, 4)).astype(np.float32)
    labels = as_good_labels(pair, vectors, label, num_neighbours)
    assert labels.dtype == np.float32
    np.testing.assert_allclose(labels, labels_by_loop(pair, vectors, label, num_neighbours), atol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_the_relaxation_by_trying_all(seed):
    gaps = np.random.default_rng(seed).integers(-4, 3, size=15) / 4

    def spread(t):
        labels = gaps >= -t
        return np.mean([a != b for a in labels for b in labels])

    found = spreading_relaxation(gaps)
    tried = np.arange(0, 2.01, 0.125)
    assert found == min(tried, key=lambda t: (-spread(t), t))


def test_the_relaxation_evens_out_the_labels():
    """The weak VLM is as good nowhere: t is the middle gap. Where it is as good on most queries, t is 0."""
    assert spreading_relaxation(np.array([-0.1, -0.2, -0.4, -0.8])) == 0.2
    assert spreading_relaxation(np.array([0.5, 0.0, 0.0, -0.8])) == 0.0
    assert spreading_relaxation(np.array([])) == 0.0


def test_the_pair():
    """Strong is most often right; weak is the cheapest, of equals the better one; without costs the worst."""
    outcomes = [[1, 1, 0, 1, NAN], [0, 1, 0, 1, NAN], [1, 1, 1, 0, NAN]]
    costs = np.array([[2, 9, 3, 3, 0]] * 3, dtype=np.float32)

    def pair(costs=None, **named):
        train = label_vectors(np.eye(3), outcomes, costs=costs)
        router = make(train.vlms, epochs=1, **named).fit(train)
        return train.vlms[router.weak], train.vlms[router.strong]

    assert pair() == ("c", "b")
    assert pair(costs) == ("a", "b")  # nothing is known of e
    assert pair(costs, strong="a") == ("d", "a")
    assert pair(costs, weak="b") == ("b", "a")
    assert pair(weak="d", strong="c") == ("d", "c")
    assert pair(weak="e", strong="a") == ("e", "a")


def test_scores_over_the_pool():
    train = made(100, 0)
    router = make(epochs=3, threshold=[0.3], weak="a", strong="b").fit(train)
    logits = router.net(torch.from_numpy(train.vectors)).detach().numpy()[:, 0]
    scores = router.score_vectors(train.vectors)
    np.testing.assert_allclose(scores[:, 0], expit(logits - np.log(0.3 / 0.7)), atol=1e-6)
    np.testing.assert_allclose(scores[:, 0] + scores[:, 1], 1, atol=1e-12)
    np.testing.assert_allclose(scores[:, 2], (train.outcomes[:, 2].sum() + 0.5) / 101 - 1)
    assert (scores[:, 2] < scores[:, :2].min(axis=1)).all()
    assert len(set(scores.argmax(axis=1))) == 2
    np.testing.assert_array_equal(scores.argmax(axis=1) == 0, expit(logits) >= 0.3)
    np.testing.assert_array_equal(router.score(train.queries).argmax(axis=1), scores.argmax(axis=1))


@pytest.mark.parametrize(("threshold", "chosen"), [(0.0, "a"), (1.0, "b")])
def test_the_ends_of_the_threshold(threshold, chosen):
    train = made(60, 0)
    router = make(epochs=1, threshold=[threshold], weak="a", strong="b").fit(train)
    assert {VLMS[j] for j in router.score(train.queries).argmax(axis=1)} == {chosen}


def test_the_threshold_is_chosen_on_val():
    train, val = made(100, 0), made(100, 1)
    thresholds = [0.0, 1.0, 0.5]
    fitted = make(threshold=thresholds, weak="a", strong="b").fit(train, val)
    chance = expit(fitted.net(torch.from_numpy(val.vectors)).detach().numpy()[:, 0])
    right = [val.outcomes[np.arange(100), np.where(chance >= t, 0, 1)].sum() for t in thresholds]
    assert fitted.threshold == thresholds[int(np.argmax(right))] == 0.5
    assert make(threshold=thresholds, epochs=1).fit(train).threshold == 0.0


@pytest.mark.parametrize("label", LABELS)
def test_it_learns_with_a_third_unknown(label):
    train, test = made(400, 0), made(300, 1)
    train.outcomes[np.random.default_rng(2).random((400, 3)) < 0.3] = NAN
    router = make(label=label, weak="a", strong="b").fit(train)
    assert em_on(test, router) > 0.9 > best_share(test)


@pytest.mark.parametrize("label", LABELS)
def test_never_run_together(label):
    """Then there is no label to learn, and the strong VLM is taken."""
    train = noisy(40, 0)
    train.outcomes[:, 0] = NAN
    router = make(label=label, weak="a", strong="b").fit(train, train)
    assert (router.score(train.queries).argmax(axis=1) == 1).all()


def test_a_pool_of_one():
    train = made(30, 0).over(["a"])
    for named in ({}, {"weak": "a"}, {"strong": "a"}):
        router = make(("a",), epochs=1, **named).fit(train)
        assert router.score(train.queries).shape == (30, 1)
        assert (router.weak, router.strong) == (0, 0)


def test_all_randomness_is_the_seed_s():
    check_randomness(make)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weak": "z"}, r"hybrid-llm\.weak: unknown VLM 'z'; known: a, b, c"),
        ({"strong": "z"}, r"hybrid-llm\.strong: unknown VLM 'z'; known: a, b, c"),
        ({"weak": "b", "strong": "b"}, r"hybrid-llm: expected weak and strong to be two VLMs, got 'b' for both"),
        (
            {"label": "hard"},
            r"baselines\.hybrid-llm\.label: expected 'deterministic', 'probabilistic' or 'transformed'",
        ),
        ({"threshold": [1.1]}, r"baselines\.hybrid-llm\.threshold\.0: expected less than or equal to 1, got 1\.1"),
    ],
)
def test_settings_are_checked(changes, message):
    with pytest.raises(ArmsError, match=message):
        build_router("hybrid-llm", VLMS, {**SETTINGS, **changes}, seed=0)

import numpy as np
import pytest
import torch
from scipy.special import expit

from arms.baselines.pair_ranker import PairComparator, PairRankerRouter, mean_wins, pair_loss
from tests.baselines.made_answers import VLMS, make, without
from tests.baselines.made_vectors import watch_em

NAN = np.nan
SETTINGS = {
    "features": "normalised",
    "hidden_width": 16,
    "epochs": 10,
    "batch_size": 32,
    "learning_rate": 0.01,
    "weight_decay": 0.0,
    "seed": 0,
}


def random_net(seed=0):
    """A comparator of queries of width 3 and answers of width 2 that has learnt something."""
    torch.manual_seed(seed)
    net = PairComparator(3, 2, 5)
    torch.nn.init.normal_(net.out.weight)
    return net


def test_comparator_by_loop():
    with torch.random.fork_rng():
        net = random_net()
        query, answers = torch.randn(4, 3), torch.randn(4, 3, 2)

    def compare(q, a, b):
        hidden = torch.relu(net.query(q) + net.first(a) + net.second(b))
        return float(net.out(hidden))

    with torch.no_grad():
        logits = net(query, answers)
        for n in range(4):
            for i in range(3):
                for j in range(3):
                    a, b = answers[n, i], answers[n, j]
                    expected = compare(query[n], a, b) - compare(query[n], b, a)
                    assert float(logits[n, i, j]) == pytest.approx(expected, abs=1e-5)


def test_swapping_answers_turns_the_sign():
    with torch.random.fork_rng():
        net = random_net()
        query, answers = torch.randn(6, 3), torch.randn(6, 4, 2)
    with torch.no_grad():
        answers[:, 2] = answers[:, 1]
        logits = net(query, answers)
        torch.testing.assert_close(logits, -logits.transpose(1, 2))
        assert (logits[:, 1, 2] == 0).all()
        assert (logits[:, 0, 1] != 0).all()
        assert (PairComparator(3, 2, 5)(query, answers) == 0).all()


def test_loss_by_loop():
    """Over the pairs of a right and a wrong answer; unknown and like outcomes count for nothing."""
    rng = np.random.default_rng(0)
    outcomes = np.array([[1, 0, NAN, 0], [1, 1, 1, NAN], [0, 1, 1, 0]])
    logits = rng.normal(size=(3, 4, 4))
    losses = [
        -np.log(expit(logits[n, i, j]))
        for n, i, j in np.ndindex(3, 4, 4)
        if outcomes[n, i] == 1 and outcomes[n, j] == 0
    ]
    assert len(losses) == 2 + 0 + 4
    assert float(pair_loss(torch.tensor(logits), torch.tensor(outcomes))) == pytest.approx(np.mean(losses))
    assert float(pair_loss(torch.tensor(logits), torch.full((3, 4), NAN))) == 0


def test_mean_wins_by_loop():
    rng = np.random.default_rng(0)
    wins, recorded = rng.random((20, 4, 4)), rng.random((20, 4)) < 0.5
    assert (recorded.sum(axis=1) == 1).any()
    result = mean_wins(wins, recorded)
    for n, i in np.argwhere(recorded):
        rivals = [wins[n, i, j] for j in range(4) if recorded[n, j] and j != i]
        assert result[n, i] == pytest.approx(np.mean(rivals) if rivals else 0.5)


@pytest.fixture(scope="module")
def router():
    return PairRankerRouter(VLMS, **SETTINGS).fit(make(300, 0))


def confidence_of(router, made):
    return router.consult(made.queries, made.answers).confidence


def test_everyone_with_an_answer_is_asked(router):
    test = without(make(40, 1), np.random.default_rng(0).random((40, 4)) < 0.6)
    np.testing.assert_array_equal(router.consult(test.queries, test.answers).asked, test.answers.rows >= 0)


def test_the_same_answer_is_worth_the_same(router):
    test = make(40, 1)
    test.answers.rows[:, 1] = test.answers.rows[:, 0]
    confidence = confidence_of(router, test)
    np.testing.assert_allclose(confidence[:, 1], confidence[:, 0], atol=1e-6)
    pair = without(test, [True, True, False, False])
    np.testing.assert_allclose(confidence_of(router, pair)[:, :2], 0.5)


def test_of_two_answers_the_confidences_add_up_to_one(router):
    confidence = confidence_of(router, without(make(40, 1), [True, False, True, False]))
    np.testing.assert_allclose(confidence.sum(axis=1), 1, atol=1e-6)
    assert np.ptp(confidence[:, 0]) > 0.5


def test_an_answer_alone_has_nothing_to_win(router):
    confidence = confidence_of(router, without(make(40, 1), [False, True, False, False]))
    np.testing.assert_array_equal(confidence, np.tile(np.float32([0, 0.5, 0, 0]), (40, 1)))


def test_it_learns_whose_answer_is_right(router):
    test = make(300, 1)
    assert test.em(confidence_of(router, test)) > 0.85 > test.em(np.tile([4, 3, 2, 1], (300, 1)))


def test_the_epoch_with_the_best_em_on_val_is_kept(monkeypatch):
    val, ems = make(150, 1), watch_em(monkeypatch)
    router = PairRankerRouter(VLMS, **SETTINGS | {"learning_rate": 0.002}).fit(make(100, 0), val)
    assert len(ems) == SETTINGS["epochs"]
    assert min(ems) < max(ems) == val.em(confidence_of(router, val))

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from arms.errors import ArmsError
from arms.features.loader import Queries
from arms.params import TrainParams
from arms.training import Labelled, learning_rate_factor, masked_em, masked_loss, predict_logits, train_net
from tests.fakes import CPU, RESNET, make_queries, make_router, train_params

NAN = np.nan


def train(router, made, queries=None, val=None, **changes):
    """Train a router's net for an epoch or more; returns the logs."""
    logs = []
    params = train_params(**{key: changes.pop(key) for key in list(changes) if key in TrainParams.model_fields})
    train_net(
        router.net,
        router.profile_batch,
        Labelled(queries=made.encode(router.encoders) if queries is None else queries, outcomes=made.outcomes),
        val,
        **{
            "params": params,
            "epochs": 1,
            "seed": 1,
            "device": CPU,
            "trained": list(router.net.parameters()),
            "on_epoch": logs.append,
            "progress": lambda done, total: None,
            **changes,
        },
    )
    return logs


def state(router):
    return {name: value.clone() for name, value in router.net.state_dict().items()}


def changed(router, before):
    return {name for name, value in router.net.state_dict().items() if not torch.equal(value, before[name])}


class TestMaskedLoss:
    @settings(deadline=None, max_examples=100)
    @given(st.integers(1, 6), st.integers(1, 4), st.integers(0, 10**6))
    def test_it_is_a_loop_over_the_known(self, num_queries, num_vlms, seed):
        rng = np.random.default_rng(seed)
        logits = rng.normal(size=(num_queries, num_vlms)).astype(np.float32) * 4
        outcomes = rng.choice([0.0, 1.0, NAN], size=logits.shape).astype(np.float32)
        losses = []
        for t, y in zip(logits.flat, outcomes.flat, strict=True):
            if not math.isnan(y):
                c = 1 / (1 + math.exp(-t))
                losses.append(-math.log(c if y == 1 else 1 - c))
        got = masked_loss(torch.from_numpy(logits), torch.from_numpy(outcomes)).item()
        assert got == pytest.approx(np.mean(losses) if losses else 0, rel=1e-4, abs=1e-6)

    def test_a_missing_outcome_has_no_gradient_and_changes_none(self):
        logits = torch.tensor([[2.0, -1.0], [0.5, 3.0]], requires_grad=True)
        masked_loss(logits, torch.tensor([[1.0, NAN], [NAN, 0.0]])).backward()
        sigmoid = torch.sigmoid(logits.detach())
        expected = torch.tensor([[(sigmoid[0, 0] - 1) / 2, 0], [0, sigmoid[1, 1] / 2]])
        torch.testing.assert_close(logits.grad, expected)

    def test_nothing_known(self):
        logits = torch.zeros(2, 2, requires_grad=True)
        loss = masked_loss(logits, torch.full((2, 2), NAN))
        loss.backward()
        assert loss == 0
        assert (logits.grad == 0).all()


class TestLearningRate:
    def test_constant(self):
        params = train_params(schedule="constant", warmup_share=0.0)
        assert [learning_rate_factor(step, 10, params) for step in (0, 5, 10)] == [1, 1, 1]

    def test_warm_up_is_linear(self):
        params = train_params(schedule="constant", warmup_share=0.4)
        factors = [learning_rate_factor(step, 10, params) for step in range(11)]
        assert factors == pytest.approx([0.25, 0.5, 0.75, 1, 1, 1, 1, 1, 1, 1, 1])

    def test_cosine_ends_at_zero(self):
        params = train_params(schedule="cosine", warmup_share=0.2)
        factors = [learning_rate_factor(step, 10, params) for step in range(11)]
        assert factors[:3] == pytest.approx([0.5, 1, 1])
        assert factors[6] == pytest.approx(0.5)
        assert factors[10] == pytest.approx(0, abs=1e-12)
        assert factors[2:] == sorted(factors[2:], reverse=True)

    def test_very_few_steps(self):
        for schedule in ("constant", "cosine"):
            params = train_params(schedule=schedule, warmup_share=0.9)
            assert all(0 <= learning_rate_factor(step, 1, params) <= 1 for step in (0, 1))


class TestMaskedEm:
    def test_by_hand(self):
        logits = np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0], [1.0, 2.0, 0.0], [5.0, 1.0, 0.0], [9.0, 1.0, 0.0]])
        outcomes = np.array(
            [
                [0.0, 1.0, NAN],  # the best one is unknown, the next one right
                [1.0, 0.0, 0.0],  # right
                [1.0, 0.0, 1.0],  # wrong
                [0.0, 0.0, 0.0],  # not answerable
                [NAN, NAN, NAN],  # unknown altogether
            ]
        )
        assert masked_em(logits, outcomes) == pytest.approx(2 / 3)
        assert masked_em(logits[3:], outcomes[3:]) is None

    def test_no_queries(self):
        assert masked_em(np.zeros((0, 2)), np.zeros((0, 2))) is None


class TestTrainNet:
    def test_the_loss_falls_and_both_modalities_are_needed(self):
        made, val = make_queries(128), make_queries(64, seed=1)
        found = {}
        for inputs in ("both", "text", "image"):
            whole = {"tunable_layers": "all"}
            router = make_router(router={"inputs": inputs}, image=whole, text=whole)
            labelled = Labelled(queries=val.encode(router.encoders), outcomes=val.outcomes)
            found[inputs] = train(router, made, val=labelled, epochs=12)
        both = found["both"]
        assert both[-1].train_loss < 0.4 < 0.6 < both[0].train_loss
        assert both[-1].val_loss < both[0].val_loss
        assert both[-1].train_em > 0.9
        assert both[-1].val_em > 0.9
        assert all(logs[-1].val_em < 0.8 for inputs, logs in found.items() if inputs != "both")

    def test_the_log(self):
        made = make_queries(20)
        router = make_router()
        steps = []
        queries = made.encode(router.encoders)
        val = Labelled(queries=queries.subset(np.arange(4)), outcomes=np.full((4, 3), NAN, np.float32))
        logs = train(router, made, queries, val, epochs=2, progress=lambda *step: steps.append(step))
        assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]
        assert [log.epoch for log in logs] == [1, 2]
        assert all(log.queries_per_s > 0 for log in logs)
        assert [log.val_em for log in logs] == [None, None]
        assert train(router, made)[0].val_loss is None
        nobody = Labelled(queries=queries.subset(np.arange(0)), outcomes=np.zeros((0, 3), np.float32))
        assert train(router, made, queries, nobody)[0].val_loss is None

    def test_the_first_loss_is_that_of_the_untrained_net(self):
        made = make_queries(10)
        router = make_router()
        queries = made.encode(router.encoders)
        logits = predict_logits(router.net, router.profile_batch, queries, batch_size=10, window_mb=1, device=CPU)
        expected = masked_loss(torch.from_numpy(logits), torch.from_numpy(made.outcomes)).item()
        (log,) = train(router, made, queries, batch_size=10)
        assert log.train_loss == pytest.approx(expected, rel=1e-5)
        assert log.train_em == masked_em(logits, made.outcomes)

    def test_what_is_frozen_does_not_change(self):
        """The norms' statistics of a frozen ResNet neither, and a frozen transformer drops nothing out."""
        made = make_queries(32)
        whole = {"tunable_layers": "all"}
        router = make_router(image={**whole, "architecture": RESNET}, text=whole)
        before = state(router)
        train(router, made, trained=router.net.head_parameters(), epochs=2)
        assert {name.partition(".")[0] for name in changed(router, before)} == {"gate", "experts", "classifier"}
        assert not any(parameter.requires_grad for parameter in router.net.image_tail.parameters())
        losses = []
        for seed in (1, 2):  # of the first step, over all queries
            router = make_router(text=whole)
            losses.append(train(router, made, trained=router.net.head_parameters(), batch_size=32, seed=seed))
        assert losses[0][0].train_loss == pytest.approx(losses[1][0].train_loss, rel=1e-5)

    def test_everything_trains(self):
        made = make_queries(32)
        whole = {"tunable_layers": "all"}
        router = make_router(image={**whole, "architecture": RESNET}, text=whole)
        before = state(router)
        train(router, made)
        # Batch norms count their batches; the embedding and attention weights of the text side move too.
        unchanged = set(before) - changed(router, before)
        assert {name for name in unchanged if "num_batches" not in name} == set()
        assert not router.net.training

    def test_weight_decay_is_for_matrices(self):
        made = replace(make_queries(8), outcomes=np.full((8, 3), NAN, np.float32))  # no gradient
        router = make_router()
        before = state(router)
        train(router, made, learning_rate=0.1, weight_decay=0.5)
        for name, value in router.net.state_dict().items():
            torch.testing.assert_close(value, before[name] * (0.95 if value.ndim >= 2 else 1))

    @pytest.mark.parametrize("clip_norm", [None, 1.0])
    def test_a_loss_that_is_not_a_number(self, clip_norm):
        router = make_router()
        with torch.no_grad():
            router.net.gate.project.weight[0, 0] = NAN
        with pytest.raises(ArmsError) as caught:
            train(router, make_queries(40), clip_norm=clip_norm)
        assert str(caught.value) == (
            "the training loss is not a number at epoch 1, step 1; lower train.learning_rate (0.01) or set "
            "train.clip_norm"
        )

    def test_no_training_queries(self):
        router = make_router()
        made = make_queries(3)
        queries = made.encode(router.encoders).subset(np.arange(0))
        with pytest.raises(ArmsError, match="expected training queries, got none"):
            train(router, replace(made, outcomes=made.outcomes[:0]), queries)

    def test_a_seed_gives_the_same_weights_bit_by_bit(self):
        made = make_queries(40)
        whole = {"tunable_layers": "all"}
        states = []
        for global_seed, seed in ((1, 5), (2, 5), (1, 6)):
            torch.manual_seed(global_seed)
            router = make_router(router={"dropout": 0.3}, text=whole)
            train(router, made, seed=seed, epochs=2)
            states.append(state(router))
        assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
        assert not all(torch.equal(states[0][name], states[2][name]) for name in states[0])

    def test_the_global_random_state_is_left_alone(self):
        router = make_router(router={"dropout": 0.3})
        made = make_queries(8)
        torch.manual_seed(3)
        expected = torch.rand(1)
        torch.manual_seed(3)
        train(router, made)
        assert torch.rand(1) == expected


class TestBatches:
    @pytest.fixture
    def seen(self, monkeypatch):
        """The positions of each batch that was taken."""
        seen = []
        take = Queries.batch

        def record(self, index):
            seen.append([int(self.ids[i]) for i in index])
            return take(self, index)

        monkeypatch.setattr(Queries, "batch", record)
        return seen

    def train(self, group_by_image, epochs=2):
        made = make_queries(24)
        router = make_router()
        queries = made.encode(router.encoders)
        queries = replace(queries, image_rows=np.array([0, 1, 2, 3, 4, 5] * 4))
        train(router, made, queries, batch_size=8, group_by_image=group_by_image, epochs=epochs)

    @pytest.mark.parametrize("group_by_image", [False, True])
    def test_every_query_once_an_epoch_in_an_order_of_its_own(self, seen, group_by_image):
        self.train(group_by_image)
        first, second = np.concatenate(seen[:3]).tolist(), np.concatenate(seen[3:]).tolist()
        assert sorted(first) == sorted(second) == list(range(24))
        assert first != second
        assert [len(batch) for batch in seen] == [8] * 6

    def test_queries_of_an_image_come_together(self, seen):
        self.train(group_by_image=True)
        for batch in seen:
            images = [i % 6 for i in batch]
            assert len(set(images)) == 2
            assert images == [images[0]] * 4 + [images[-1]] * 4

    def test_independent_queries(self, seen):
        self.train(group_by_image=False)
        assert any(len({i % 6 for i in batch}) > 3 for batch in seen)


class TestPredictLogits:
    def test_it_is_the_net_in_the_order_of_the_queries(self):
        made = make_queries(13)
        router = make_router(image={"tunable_layers": 1}, text={"tunable_layers": "all"})
        queries = made.encode(router.encoders)
        queries = replace(queries, image_rows=queries.image_rows[::-1].copy())
        router.net.eval()
        with torch.inference_mode():
            expected = router.net(queries.batch(np.arange(13)).to(CPU), router.profile_batch)
        router.net.train()
        for batch_size in (1, 5, 64):
            got = predict_logits(
                router.net, router.profile_batch, queries, batch_size=batch_size, window_mb=1, device=CPU
            )
            assert got.dtype == np.float32
            np.testing.assert_allclose(got, expected, atol=1e-4)
        assert not router.net.training

    def test_no_queries(self):
        router = make_router()
        queries = make_queries(2).encode(router.encoders).subset(np.arange(0))
        assert predict_logits(
            router.net, router.profile_batch, queries, batch_size=4, window_mb=1, device=CPU
        ).shape == (0, 3)

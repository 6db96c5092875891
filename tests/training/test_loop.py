"""The training loop on tiny nets."""

import io
from dataclasses import replace

import numpy as np
import pytest
import torch

from arms.errors import ArmsError
from arms.features.labelled import masked_em
from arms.features.loader import Queries
from arms.training import loop
from arms.training.loop import train_net
from arms.training.losses import masked_loss
from arms.training.prediction import predict_logits
from arms.training.snapshot import Snapshot
from tests.fakes import (
    CPU,
    NEVER_TRAINED,
    OF_OTHER_COUNTS,
    RESNET,
    fit_params,
    label,
    make_queries,
    make_router,
    watch_progress,
)
from tests.stores import flip

NAN = np.nan


def train(router, made, queries=None, val=None, on_epoch=None, snapshot=None, fingerprints=None, **changes):
    """Train a router's net for an epoch or more; returns the logs."""
    data = label(made.encode(router.encoders) if queries is None else queries, made.outcomes)
    logs = []
    resume = Snapshot(snapshot, fingerprints or {})
    for log in train_net(router.net, router.profile_batch, data, val, fit_params(**changes), CPU, resume):
        logs.append(log)
        if on_epoch is not None:
            on_epoch(log)
    return logs


def state(router):
    return {name: value.clone() for name, value in router.net.state_dict().items()}


def changed(router, before):
    return {name for name, value in router.net.state_dict().items() if not torch.equal(value, before[name])}


class TestTrainNet:
    def test_the_loss_falls_and_both_modalities_are_needed(self):
        made, val = make_queries(128), make_queries(64, seed=1)
        found = {}
        for inputs in ("both", "text", "image"):
            whole = {"tunable_layers": "all"}
            router = make_router(router={"inputs": inputs}, image=whole, text=whole)
            labelled = label(val.encode(router.encoders), val.outcomes)
            found[inputs] = train(router, made, val=labelled, epochs=12)
        both = found["both"]
        assert both[-1].train_loss < 0.4 < 0.6 < both[0].train_loss
        assert both[-1].val_loss < both[0].val_loss
        assert both[-1].train_em > 0.9
        assert both[-1].val_em > 0.9
        assert all(logs[-1].val_em < 0.8 for inputs, logs in found.items() if inputs != "both")

    def test_the_log(self, monkeypatch):
        made = make_queries(20)
        router = make_router()
        steps = watch_progress(monkeypatch)
        queries = made.encode(router.encoders)
        val = label(queries.subset(np.arange(4)), np.full((4, 3), NAN, np.float32))
        logs = train(router, made, queries, val, epochs=2)
        assert steps == [("train", 1, 4), ("train", 2, 4), ("train", 3, 4), ("train", 4, 4)]
        assert [log.epoch for log in logs] == [1, 2]
        assert all(log.queries_per_s > 0 for log in logs)
        assert [log.val_em for log in logs] == [None, None]
        assert train(router, made)[0].val_loss is None
        nobody = label(queries.subset(np.arange(0)), np.zeros((0, 3), np.float32))
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
        """A frozen ResNet keeps its norms' statistics, and a frozen transformer has no dropout."""
        made = make_queries(32)
        whole = {"tunable_layers": "all"}
        router = make_router(image={**whole, "architecture": RESNET}, text=whole)
        before = state(router)
        train(router, made, trains="head", epochs=2)
        assert {name.partition(".")[0] for name in changed(router, before)} == {"gate", "experts", "classifier"}
        assert not any(parameter.requires_grad for parameter in router.net.image_tail.parameters())
        losses = []
        for seed in (1, 2):  # of the first step, over all queries
            router = make_router(text=whole)
            losses.append(train(router, made, trains="head", batch_size=32, seed=seed))
        assert losses[0][0].train_loss == pytest.approx(losses[1][0].train_loss, rel=1e-5)

    def test_everything_trains(self):
        made = make_queries(32)
        whole = {"tunable_layers": "all"}
        # Four tokens per image: over only one, attention's weights would have no gradient.
        larger = {**RESNET, "vision_cfg": {**RESNET["vision_cfg"], "image_size": 64}}
        router = make_router(image={**whole, "architecture": larger}, text=whole)
        before = state(router)
        train(router, made)
        # Batch norms count their batches; the embedding and attention weights of the text side move too.
        unchanged = set(before) - changed(router, before)
        assert {name for name in unchanged if "num_batches" not in name} == OF_OTHER_COUNTS | NEVER_TRAINED
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
            "the training loss is not a number at epoch 1, step 1; lower train.learning_rate (0.01), "
            "train.tail_learning_rate (0.01) or set train.clip_norm"
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

    def test_the_global_random_state_does_not_change(self):
        router = make_router(router={"dropout": 0.3})
        made = make_queries(8)
        torch.manual_seed(3)
        expected = torch.rand(1)
        torch.manual_seed(3)
        train(router, made)
        assert torch.rand(1) == expected

    def test_what_happens_between_epochs_changes_nothing(self):
        made, weights = make_queries(40), []
        for disturb in (lambda log: None, lambda log: torch.rand(7)):
            router = make_router(router={"dropout": 0.3})
            train(router, made, epochs=3, on_epoch=disturb)
            weights.append(state(router))
        assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


@pytest.mark.parametrize(("unit", "steps"), [("queries", 3), ("pairs", 8)])
def test_a_batch_counts_queries_or_pairs(monkeypatch, unit, steps):
    """40 queries of three VLMs: in 3 batches of 16 queries, or 8 batches of 16 // 3 = 5 queries, 15 pairs."""
    seen = watch_progress(monkeypatch)
    train(make_router(), make_queries(40), batch_size=16, batch_unit=unit)
    assert seen == [("train", step, steps) for step in range(1, steps + 1)]


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


class TestKeep:
    """Train on the opposite of the val outcomes, so that only the first epochs' weights are any good on val."""

    def run(self, **changes):
        made = make_queries(64)
        router = make_router()
        queries = made.encode(router.encoders)
        val = label(queries, 1 - made.outcomes)
        states = []
        logs = train(router, made, queries, val, on_epoch=lambda _: states.append(state(router)), **changes)
        return router, logs, states

    def test_best_ends_with_the_weights_of_the_best_epoch(self):
        router, logs, states = self.run(epochs=5, keep="best")
        best = max(range(5), key=lambda epoch: (logs[epoch].val_em, -logs[epoch].val_loss))
        assert best < 4
        assert not changed(router, states[best])
        assert changed(router, states[-1])

    def test_last_ends_with_the_last(self):
        router, _, states = self.run(epochs=3, keep="last")
        assert not changed(router, states[-1])

    def test_without_val_the_last_is_kept(self):
        made, router = make_queries(20), make_router()
        states = []
        train(router, made, on_epoch=lambda _: states.append(state(router)), epochs=2, keep="best", patience=1)
        assert len(states) == 2
        assert not changed(router, states[-1])

    def test_patience(self):
        _, logs, _ = self.run(epochs=30, patience=2)
        best = max(range(len(logs)), key=lambda epoch: (logs[epoch].val_em, -logs[epoch].val_loss))
        assert len(logs) == best + 1 + 2 < 30


class TestResume:
    whole = {"tunable_layers": "all"}  # noqa: RUF012 - never changed

    def router(self):
        return make_router(router={"dropout": 0.3}, image={**self.whole, "architecture": RESNET}, text=self.whole)

    def run(self, router, made, snapshot, kill_after=None, **changes):
        def kill(log):
            if log.epoch == kill_after:
                raise KeyboardInterrupt

        val = label(made.encode(router.encoders), made.outcomes)
        settings = {"epochs": 4, "schedule": "cosine", "keep": "best", "augment": True, "importance_weight": 0.1}
        return train(router, made, val=val, on_epoch=kill, snapshot=snapshot, **(settings | changes))

    def watch_epochs(self, monkeypatch):
        """Which epochs are run."""
        run, epochs = loop._Run._epoch, []
        monkeypatch.setattr(loop._Run, "_epoch", lambda run_, epoch, bar: epochs.append(epoch) or run(run_, epoch, bar))
        return epochs

    @pytest.mark.parametrize("kill_after", [1, 2, 4])
    def test_a_killed_run_ends_with_the_same_weights(self, tmp_path, kill_after):
        made, whole, killed, resumed = make_queries(40), self.router(), self.router(), self.router()
        expected = self.run(whole, made, None)
        with pytest.raises(KeyboardInterrupt):
            self.run(killed, made, tmp_path / "s.pt", kill_after)
        logs = self.run(resumed, made, tmp_path / "s.pt")
        assert not changed(resumed, state(whole))
        assert [(log.epoch, log.train_loss, log.val_em) for log in logs] == [
            (log.epoch, log.train_loss, log.val_em) for log in expected
        ]
        assert not list(tmp_path.iterdir()), "nothing is left to go on with"

    def test_epochs_that_were_done_are_not_done_again(self, tmp_path, monkeypatch):
        made = make_queries(40)
        with pytest.raises(KeyboardInterrupt):
            self.run(self.router(), made, tmp_path / "s.pt", 3)
        run, epochs = loop._Run._epoch, []
        monkeypatch.setattr(
            loop._Run, "_epoch", lambda self, epoch, progress: epochs.append(epoch) or run(self, epoch, progress)
        )
        self.run(self.router(), made, tmp_path / "s.pt")
        assert epochs == [4]

    @pytest.mark.parametrize(
        "other",
        [
            lambda test, made, file: test.run(test.router(), made, file, learning_rate=0.02),
            lambda test, made, file: test.run(test.router(), make_queries(40, seed=3), file),
            lambda test, made, file: test.run(test.router(), made, file, seed=9),
            lambda test, made, file: test.run(test.router(), made, file, fingerprints={"image": "another"}),
        ],
    )
    def test_another_run_starts_anew(self, tmp_path, other, monkeypatch):
        made = make_queries(40)
        with pytest.raises(KeyboardInterrupt):
            self.run(self.router(), made, tmp_path / "s.pt", 3)
        run, epochs = loop._Run._epoch, []
        monkeypatch.setattr(
            loop._Run, "_epoch", lambda self, epoch, progress: epochs.append(epoch) or run(self, epoch, progress)
        )
        other(self, made, tmp_path / "s.pt")
        assert epochs == [1, 2, 3, 4]

    @pytest.mark.parametrize("where", [3, 40, 500, -1])
    def test_a_flipped_bit_sets_a_snapshot_aside_and_training_starts_from_the_one_before(self, tmp_path, where, caplog):
        made = make_queries(40)
        whole = self.router()
        self.run(whole, made, None)
        with pytest.raises(KeyboardInterrupt):
            self.run(self.router(), made, tmp_path / "s.pt", 3)
        flip(tmp_path / "s.pt", where)
        resumed = self.router()
        with caplog.at_level("INFO"):
            self.run(resumed, made, tmp_path / "s.pt")
        assert f"{tmp_path / 's.pt'} is damaged (its bytes do not match their checksum)" in caplog.text
        assert "going on after epoch 2 of 4" in caplog.text
        assert all(torch.equal(*pair) for pair in zip(whole.net.parameters(), resumed.net.parameters(), strict=True))
        assert [path.name for path in tmp_path.iterdir()] == ["s.damaged.pt"]

    def test_without_a_sound_snapshot_training_starts_anew(self, tmp_path, caplog):
        made, fresh = make_queries(40), self.router()
        (tmp_path / "s.pt").write_bytes(b"PK not a snapshot")
        logs = self.run(fresh, made, tmp_path / "s.pt")
        assert [log.epoch for log in logs] == [1, 2, 3, 4]
        assert "it was set aside as s.damaged.pt" in caplog.text

    def test_a_sound_state_of_another_shape_is_an_error(self, tmp_path, monkeypatch):
        made = make_queries(40)
        monkeypatch.setattr(loop._Run, "_state", lambda run: {"net": run.net.state_dict()})
        with pytest.raises(KeyboardInterrupt):
            self.run(self.router(), made, tmp_path / "s.pt", 1)
        with pytest.raises(ArmsError, match=r"s\.pt: expected a training's state as this version saves it, .* delete"):
            self.run(self.router(), made, tmp_path / "s.pt")


class TestGoingWrong:
    def test_the_last_good_epoch_is_kept(self, tmp_path):
        made, router = make_queries(40), make_router()

        def spoil(log):
            with torch.no_grad():
                router.net.gate.project.weight[0, 0] = NAN

        with pytest.raises(ArmsError) as caught:
            train(router, made, on_epoch=spoil, epochs=3, snapshot=tmp_path / "s.pt")
        assert "not a number at epoch 2, step 4" in str(caught.value)
        assert f"{tmp_path / 's.pt'} holds epoch 1, the last good one" in str(caught.value)
        kept = torch.load(io.BytesIO((tmp_path / "s.pt").read_bytes().partition(b"\n")[2]), weights_only=True)["state"]
        assert all(torch.isfinite(tensor).all() for tensor in kept["net"].values())

    def test_a_loss_that_explodes(self, monkeypatch):
        monkeypatch.setattr(loop, "_EXPLODED", 0.1)
        with pytest.raises(ArmsError, match=r"exploded in epoch 1: 0\.\d+ nats per outcome, .*; lower train\.learning"):
            train(make_router(), make_queries(40))


def test_the_experts_are_used_more_alike_with_their_loss():
    made = make_queries(64)
    uneven = []
    for weight in (0.0, 1.0):
        router = make_router(router={"num_experts": 4, "top_k": 1})
        with torch.no_grad():
            router.net.gate.project.bias[0] = 2.0
        queries = made.encode(router.encoders)
        train(router, made, queries, epochs=8, importance_weight=weight)
        with torch.inference_mode():
            _, gate_NE = router.net.forward_with_gate(queries.batch(np.arange(64)).to(CPU), router.profile_batch)
        uneven.append(gate_NE.mean(dim=0).max().item())
    assert uneven[1] < 0.36 < 0.42 < uneven[0]


def test_augmentation_changes_only_what_is_trained_on():
    made = make_queries(32)
    losses = {}
    for image in ({"tunable_layers": "all"}, {"tunable_layers": 0}):
        for augment in (False, True):
            (log,) = train(make_router(image=image), made, batch_size=32, augment=augment)
            losses[image["tunable_layers"], augment] = log.train_loss
    assert losses["all", True] != losses["all", False]
    assert losses[0, True] == losses[0, False]

"""Two processes or more that train one net, beside a single process; on CPUs, connected by gloo."""

import multiprocessing
import os
import traceback

import numpy as np
import pytest
import torch

from arms.device import Products
from arms.errors import ArmsError
from arms.features.online import encode_queries
from arms.training import loop
from arms.training.distributed import joined, own_part
from arms.training.loop import train_net
from arms.training.snapshot import Snapshot
from tests.fakes import CPU, DISTILBERT, RESNET, fit_params, label, make_queries, make_router
from tests.ports import free_port

FORK = multiprocessing.get_context("fork")
IMAGE = {"tunable_layers": 1, "max_images": 2}
# Without dropout, which draws other numbers in each process.
TEXT = {"tunable_layers": 1, "architecture": {**DISTILBERT, "dropout": 0.0, "attention_dropout": 0.0}}
MADE = make_queries(70)  # 16 at a time, the last batch has 6


def together(folder, job, num=2):
    """What `job(rank)` returns, or the error that it raises, in each of some processes as torchrun makes them."""
    port = str(free_port())

    def run(rank):
        torch.set_num_threads(1)
        os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "RANK": str(rank), "WORLD_SIZE": str(num)}
        try:
            with joined("cpu", rank):
                found = job(rank)
        except (Exception, KeyboardInterrupt) as error:
            found = str(error) if isinstance(error, ArmsError) else traceback.format_exc()
        torch.save(found, folder / f"{rank}.pt")
        os._exit(0)

    processes = [FORK.Process(target=run, args=(rank,)) for rank in range(num)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    files = [folder / f"{rank}.pt" for rank in range(num)]
    return [torch.load(file, weights_only=False) if file.exists() else None for file in files]


def several_images(made):
    """None, one or two pictures for each query in turn."""
    number = range(len(made.pictures))
    return [[made.pictures[i], made.pictures[i - 1]][: i % 3] for i in number]


def train(made=MADE, *, router=None, image=IMAGE, any_number=False, snapshot=None, on_epoch=None, **changes):
    """Train a net of two epochs; the losses and EM of each epoch, and the weights."""
    torch.use_deterministic_algorithms(True, warn_only=True)
    made_router = make_router(router=router or {}, image=image, text=TEXT)
    encoders = made_router.encoders
    pictures = several_images(made) if any_number else made.pictures
    outcomes = made.outcomes.copy()
    # Unknown outcomes, so that the parts of a batch have other numbers of known ones.
    outcomes[np.random.default_rng(2).random(outcomes.shape) < 0.4] = np.nan
    data = label(encode_queries(encoders, pictures, made.questions, CPU), outcomes)
    val = data.subset(np.arange(31))
    settings = fit_params(**{"epochs": 2, "schedule": "cosine", "keep": "best", **changes})
    logs = []
    for log in train_net(made_router.net, made_router.profile_batch, data, val, settings, CPU, Snapshot(snapshot, {})):
        logs.append((log.train_loss, log.train_em, log.val_loss, log.val_em))
        if on_epoch is not None:
            on_epoch(log)
    return logs, made_router.net.state_dict()


def assert_same_bits(one, other):
    assert one[0] == other[0]
    assert all(torch.equal(value, other[1][name]) for name, value in one[1].items())


def assert_alike(one, other):
    """Losses and weights differ by rounding; those of a key's bias, of which nothing depends, by more."""
    np.testing.assert_allclose(one[0], other[0], rtol=1e-5)
    for name, value in one[1].items():
        if not name.endswith(("attn.in_proj_bias", "k_lin.bias")):
            torch.testing.assert_close(other[1][name], value, rtol=0, atol=1e-4, msg=name)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"importance_weight": 0.3, "class_weights": "balanced", "router": {"top_k": 1}},
        {"any_number": True, "group_by_image": True},
        {"router": {"inputs": "text", "fusion": "outer"}, "batch_unit": "pairs", "clip_norm": None},
    ],
    ids=["plain", "importance", "any-number", "pairs"],
)
def test_two_processes_train_the_net_of_one(tmp_path, settings):
    alone = train(**settings)
    first, second = together(tmp_path, lambda rank: train(**settings))
    assert_same_bits(first, second)
    assert_alike(alone, first)


def test_a_last_batch_smaller_than_the_number_of_processes(tmp_path):
    made = make_queries(33)  # a batch of 32 and one of a single query, for three processes
    settings = {"batch_size": 32, "importance_weight": 0.3, "any_number": True}
    alone = train(made, **settings)
    for each in together(tmp_path, lambda rank: train(made, **settings), 3):
        assert_alike(alone, each)


def test_mixed_precision(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "choose_products", lambda *_, **__: Products(CPU, "bfloat16"))
    alone = train(importance_weight=0.3)
    first, second = together(tmp_path, lambda rank: train(importance_weight=0.3))
    assert_same_bits(first, second)
    np.testing.assert_allclose(alone[0], first[0], atol=0.02)


def test_dropout_of_the_processes_differs(tmp_path):
    """Were it the same, the two halves of a batch would lose the same entries."""
    assert_same_bits(*together(tmp_path, lambda rank: train(router={"dropout": 0.5})))

    def drawn(rank):
        states = []
        loop._Run._resume = lambda run: states.append(run.random.states["cpu"])
        train(epochs=1)
        return states[0]

    assert not torch.equal(*together(tmp_path, drawn))


class TestResume:
    settings = {"router": {"dropout": 0.3}, "epochs": 3, "any_number": True}  # noqa: RUF012 - never changed

    def kill_after(self, epoch):
        def kill(log):
            if log.epoch == epoch:
                raise KeyboardInterrupt

        return kill

    def test_a_killed_training_ends_with_the_same_bits(self, tmp_path):
        file = tmp_path / "snapshots" / "s.pt"
        whole = together(tmp_path, lambda rank: train(**self.settings))[0]
        together(tmp_path, lambda rank: train(snapshot=file, on_epoch=self.kill_after(2), **self.settings))
        assert sorted(path.name for path in file.parent.iterdir()) == ["s.previous.pt", "s.pt"]

        def go_on(rank):
            epochs, run = [], loop._Run._epoch
            loop._Run._epoch = lambda self, epoch, bar: epochs.append(epoch) or run(self, epoch, bar)
            # Only the first process knows the file.
            return train(snapshot=file if rank == 0 else tmp_path / "nowhere.pt", **self.settings), epochs

        for resumed, epochs in together(tmp_path, go_on):
            assert epochs == [3]
            assert_same_bits(whole, resumed)
        assert not list(file.parent.iterdir())
        assert not (tmp_path / "nowhere.pt").exists()

    @pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 1)])
    def test_another_number_of_processes_goes_on(self, tmp_path, before, after):
        settings = {"epochs": 3, "any_number": True}
        file = tmp_path / "s.pt"
        alone = train(**settings)

        def run(num, **more):
            job = lambda rank: train(snapshot=file, **settings, **more)  # noqa: E731
            return together(tmp_path, job, num)[0] if num > 1 else job(0)

        if before == 1:
            with pytest.raises(KeyboardInterrupt):
                run(before, on_epoch=self.kill_after(2))
        else:
            run(before, on_epoch=self.kill_after(2))
        assert_alike(alone, run(after))


class TestErrors:
    def test_fewer_queries_than_processes(self, tmp_path):
        said = together(tmp_path, lambda rank: train(batch_size=1))
        assert said == [
            "train.batch_size: expected a query for each process at least, got 1 for 2 processes; start fewer "
            "(runtime.processes) or raise it"
        ] * 2  # fmt: skip

    def test_batch_norms(self, tmp_path):
        resnet = {"architecture": RESNET, "tunable_layers": "all"}
        assert "batch norms" in together(tmp_path, lambda rank: train(image=resnet))[0]
        for each in together(tmp_path, lambda rank: train(image=resnet, trains="text")):
            assert_alike(train(image=resnet, trains="text"), each)

    def test_a_process_that_is_lost(self, tmp_path):
        def job(rank):
            return train(on_epoch=lambda log: os._exit(9) if rank else None)

        first, second = together(tmp_path, job)
        assert first == "another process of this training has ended; run the same again to go on"
        assert second is None

    def test_a_loss_that_is_not_a_number(self, tmp_path):
        said = together(tmp_path, lambda rank: train(learning_rate=1e30, clip_norm=None))
        assert said[0] == said[1]
        assert "the training loss is not a number at epoch 1" in said[0]


def test_parts_of_a_batch():
    assert own_part(np.arange(3)).tolist() == [0, 1, 2]

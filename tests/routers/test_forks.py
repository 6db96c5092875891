"""A router that is loaded before a fork (a server that preloads, multiprocessing) routes in the child too."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from arms.baselines.registry import build_router
from arms.baselines.saved import SavedBaseline
from arms.cli.completers import STARTER
from arms.device import check_usable_here
from arms.errors import ArmsError
from arms.features.dataset import Embedder
from tests.cached import MADE, OLD, write_cached
from tests.fakes import CPU, make_router
from tests.pipeline import ROOT

# The parent uses its threads first; without care, the child then waits for them for ever.
PROGRAM = """
import multiprocessing, os, sys, threading
import numpy as np, torch
from PIL import Image
from arms import Router
from arms.baselines.neighbours import Neighbours

routers = [Router.load(folder, device="cpu") for folder in sys.argv[1:]]
vectors = np.random.default_rng(0).normal(size=(2000, 64)).astype(np.float32)
index = Neighbours(vectors, "ivf", num_neighbours=8)

def work():
    pictures, questions = [Image.new("RGB", (90, 60), "red")] * 64, [f"How many {n}?" for n in range(64)]
    routed = [[route.vlm for route in router.route_batch(pictures, questions)] for router in routers]
    torch.ones(600, 600) @ torch.ones(600, 600)
    return routed, index.search(vectors, 8)[1].sum()

def child():
    assert work() == expected
    got = []
    thread = threading.Thread(target=lambda: got.append(work()))
    thread.start()
    thread.join()
    assert got == [expected] and torch.get_num_threads() == 1
    grandchild = os.fork()
    if not grandchild:
        os._exit(0 if work() == expected else 1)
    assert os.waitpid(grandchild, 0)[1] == 0

def pooled(number):
    return work()

expected = work()
for _ in range(2):
    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join(60)
    if process.exitcode is None:
        process.kill()
        sys.exit("the child hangs")
    assert process.exitcode == 0
with multiprocessing.get_context("fork").Pool(3) as pool:
    assert pool.map_async(pooled, range(6)).get(120) == [expected] * 6
assert work() == expected and torch.get_num_threads() == 2
print("done")
"""


def save_knn(folder: Path) -> None:
    """A baseline, which searches with FAISS."""
    names, settings = [vlm.name for vlm in OLD], {"features": "normalised", "num_neighbours": [4], "weights": "uniform"}
    embedder = Embedder(make_router(OLD).encoders, 16, CPU)
    train = MADE.label(embedder.encoders, names, embeddings=True)
    router = build_router("knn", names, settings | {"index": "flat"}, seed=1).fit(train)
    SavedBaseline("knn", settings | {"index": "flat"}, 1, OLD, router, train, None, embedder).save(folder)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_router_routes_in_forked_processes(tmp_path):
    write_cached(tmp_path)
    save_knn(tmp_path / "knn")
    folders = (tmp_path / "data/routers/arms-base", tmp_path / "knn", STARTER)
    command = [sys.executable, "-c", PROGRAM, *map(str, folders)]
    environment = {**os.environ, "OMP_NUM_THREADS": "2", "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=400)
    assert (ended.returncode, ended.stdout) == (0, "done\n"), ended.stderr


def test_a_gpu_cannot_be_used_after_a_fork(monkeypatch):
    monkeypatch.setattr(torch.cuda, "_is_in_bad_fork", lambda: True)
    check_usable_here(torch.device("cpu"))
    router = make_router()
    router.device = torch.device("cuda")
    with pytest.raises(ArmsError, match="this process was forked from one that had loaded the router onto a GPU"):
        router.encode([], [])

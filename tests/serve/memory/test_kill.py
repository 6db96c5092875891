"""kill -9 of a writer at random moments under load: what was said to be recorded is there, and there once."""

import asyncio
import itertools
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter

import pytest
from sqlalchemy import select

from arms.errors import ArmsError
from arms.serve.memory.errors import DoubledRequestError
from arms.serve.memory.opening import open_memory
from arms.traffic.store import open_store
from arms.traffic.tables import ANSWERS, DECISIONS, FEEDBACK, PICTURES
from tests.pipeline import ROOT
from tests.serve.memory.made import decision

MOMENTS = [1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 21))]
TABLES = {"decided": DECISIONS, "answered": ANSWERS, "feedback": FEEDBACK}


def write_until_killed(place, name, seed):
    """Start a writer, kill it some moments after its first record; what it said, by the kind of record."""
    command = [sys.executable, "-m", "tests.serve.memory.writer_process", place, name]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        hung = threading.Timer(120, process.kill)
        hung.start()
        first = process.stdout.readline()
        kill = threading.Timer(random.Random(seed).uniform(0, 0.6), process.send_signal, [signal.SIGKILL])
        kill.start()
        lines = [first, *process.stdout]
        hung.cancel()
    assert process.returncode == -signal.SIGKILL
    said = {kind: set() for kind in TABLES}
    for line in lines:
        if line.endswith(b"\n"):  # the last one may be cut
            kind, request_id = line.decode().split()
            said[kind].add(request_id)
    return said


def recorded(place):
    """How often each request id is there, by the kind of record."""
    store = open_store(place)
    with store.transaction("read") as connection:
        found = {kind: Counter(connection.execute(select(t.c.request_id)).scalars()) for kind, t in TABLES.items()}
        pictures = set(connection.execute(select(PICTURES.c.sha256)).scalars())
        named = {sha256 for of in connection.execute(select(DECISIONS.c.image_sha256)).scalars() for sha256 in of}
    store.close()
    assert named == pictures, "a decision and what is kept of it are recorded together"
    return found


@pytest.mark.parametrize("seed", MOMENTS)
def test_no_record_is_lost_or_doubled(place, seed):
    said = {kind: set() for kind in TABLES}
    for life in range(3):
        for kind, ids in write_until_killed(place, f"{seed}.{life}", 10 * seed + life).items():
            said[kind] |= ids
    assert said["decided"], "the writers recorded nothing before they were killed"
    found = recorded(place)
    for kind, ids in said.items():
        assert ids <= found[kind].keys(), kind
        assert set(found[kind].values()) <= {1}, kind


def test_a_client_that_asks_again_is_recorded_once(place):
    write_until_killed(place, "first", 5)
    there = recorded(place)["decided"]
    last = max(int(request_id.rpartition("-")[2]) for request_id in there)

    async def again():
        memory = open_memory(place, keep_images=True)
        ids = [f"first-{number}" for number in range(last + 5)]
        results = await asyncio.gather(*(memory.decide(decision(one)) for one in ids), return_exceptions=True)
        await memory.close()
        return dict(zip(ids, results, strict=True))

    for request_id, result in asyncio.run(again()).items():
        assert (type(result) is DoubledRequestError) == (request_id in there)
    assert set(recorded(place)["decided"].values()) == {1}


@pytest.mark.slow
def test_two_processes_share_a_memory(place):
    ends = {}
    threads = [
        threading.Thread(target=lambda name=name: ends.update({name: write_until_killed(place, name, 7)}))
        for name in ("one", "two")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = recorded(place)
    for said in ends.values():
        assert said["decided"]
        assert all(ids <= found[kind].keys() for kind, ids in said.items())
    assert all(set(counts.values()) <= {1} for counts in found.values())


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_the_server_may_be_killed_too(server, seed):
    """PostgreSQL itself: what was committed is there after it recovers, and the memory goes on by itself."""
    kept, failed, back = [], [], threading.Event()

    def strike():
        time.sleep(random.Random(seed).uniform(0.2, 0.8))
        server.kill()
        server.start()
        back.set()

    async def record(memory, worker):
        afterwards = 0
        for number in itertools.count():
            request_id, was_back = f"{worker}-{number}", back.is_set()
            try:
                await memory.decide(decision(request_id))
            except ArmsError as error:
                failed.append(str(error))
                await asyncio.sleep(0.05)
                continue
            kept.append(request_id)
            afterwards += was_back
            if afterwards > 10:
                return

    async def load():
        memory = open_memory(server.url, keep_images=True)
        thread = threading.Thread(target=strike)
        thread.start()
        await asyncio.gather(*(record(memory, worker) for worker in range(16)))
        thread.join()
        await memory.close()

    asyncio.run(load())
    assert failed
    assert all(error.startswith("postgresql://") and "\n" not in error for error in failed)
    found = recorded(server.url)["decided"]
    assert set(kept) <= found.keys()
    assert set(found.values()) == {1}

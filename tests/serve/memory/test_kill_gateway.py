"""kill -9 of a whole gateway at random moments under load: what a client saw decided is there, and there once."""

import random
import signal
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from tests.serve.helpers import CLIENT, LONG_S, chat, post
from tests.serve.memory.test_kill import recorded
from tests.serve.process import gateway_process

pytestmark = pytest.mark.slow

ROUNDS = 5
CLIENTS = 12
MOST = 400  # requests of a client in a round
PATHS = ("/v1/chat/completions", "/v1/chat/completions", "/v1/route")


class Client:
    """Asks one thing after the other until the gateway is gone, and notes the ids whose response began."""

    def __init__(self, process, name):
        self.process, self.name, self.seen, self.unsure = process, name, [], None
        self.thread = threading.Thread(target=self._ask_all)
        self.thread.start()

    def _ask_all(self):
        for number in range(MOST):
            request_id = f"{self.name}-{number}"
            try:
                self._ask(number, request_id)
            except httpx.TransportError:
                self.unsure = request_id if request_id not in self.seen else None
                return

    def _ask(self, number, request_id):
        body = chat(f"{number} red shapes?", stream=bool(number % 2))
        url = f"{self.process.url}{PATHS[number % len(PATHS)]}"
        with CLIENT.stream("POST", url, json=body, headers={"x-request-id": request_id}) as response:
            assert (response.status_code, response.headers["x-request-id"]) == (200, request_id)
            self.seen.append(request_id)
            response.read()


def ask_until_killed(process, name, seed):
    """Load a gateway and kill it a moment after its first responses; the ids seen, and those of unknown end."""
    clients = [Client(process, f"{name}.{number}") for number in range(CLIENTS)]
    kill = threading.Timer(random.Random(seed).uniform(0.3, 2.0), process.running.send_signal, [signal.SIGKILL])
    kill.start()
    for client in clients:
        client.thread.join()
    kill.join()
    assert process.ended() == -signal.SIGKILL
    seen = [request_id for client in clients for request_id in client.seen]
    return seen, [client.unsure for client in clients if client.unsure is not None]


def check_whole(place):
    """SQLite's file is whole; of PostgreSQL, what is read says so."""
    if Path(place).exists():
        with closing(sqlite3.connect(place)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


def test_every_decision_that_a_client_saw_is_there_once(place, upstream, tmp_path):
    seen, unsure = [], []
    for number in range(ROUNDS):
        before = recorded(place)["decided"] if number else {}
        with gateway_process(tmp_path, upstream, memory=place, memory_s=LONG_S) as process:
            for request_id in unsure:  # a client that got no response asks again
                again = post(process, chat("How many?"), "/v1/route", **{"x-request-id": request_id})
                assert again.status_code == (409 if request_id in before else 200)
            asked_again = unsure
            new, unsure = ask_until_killed(process, f"r{number}", seed=number)
        seen += [*asked_again, *new]
        check_whole(place)
        found = recorded(place)
        assert new, "no client saw a response before the kill"
        assert set(seen) <= found["decided"].keys()
        assert found["answered"].keys() <= found["decided"].keys()
        assert set(found["decided"].values()) | set(found["answered"].values()) == {1}
        assert found["decided"].keys() <= {*seen, *unsure}, "nothing is there that nobody asked"

"""A new router takes the old one's place while requests run; one that cannot be used leaves the old one."""

import gc
import threading
import weakref

import pytest

from arms.errors import ArmsError
from arms.serve.loaded import Loaded
from arms.serve.settings import ServeSettings
from tests.ports import free_port
from tests.serve.helpers import FakeRouter, chat, post, serving, settings_of, until


class Versions:
    """A new router each time, or an error."""

    def __init__(self, settings):
        self.settings, self.made, self.broken = settings, [], None

    def __call__(self):
        if self.broken:
            raise self.broken
        router = FakeRouter()
        self.made.append(weakref.ref(router))
        return Loaded.of(router, self.settings, f"v{len(self.made)}")


@pytest.fixture
def versions(upstream):
    return Versions(settings_of(upstream.url))


def reload(gateway):
    return post(gateway, {}, "/admin/reload")


def test_no_request_is_lost_and_the_old_one_is_freed(versions, upstream):
    with serving(versions.settings, load=versions) as gateway:
        found, stop = [], threading.Event()

        def ask():
            while not stop.is_set():
                found.append(post(gateway, chat("alpha", stream=True)))

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        names = []
        for _ in range(5):
            names.append(reload(gateway).json()["router"])
            asked = len(found)
            until(lambda: len(found) >= asked + 5)  # noqa: B023
        stop.set()
        for thread in threads:
            thread.join()
        assert names == [f"v{number}" for number in range(2, 7)]
        assert {response.headers["x-arms-vlm"] for response in found} == {"alpha"}
        assert {response.headers["x-arms-reason"] for response in found} == {"policy"}
        assert {one.router for one in gateway.memory.decisions} >= set(names)

        def only_the_last():
            gc.collect()
            return [router() is not None for router in versions.made] == [False] * 5 + [True]

        until(only_the_last)


@pytest.mark.parametrize("error", [ArmsError("data/routers/arms: damaged"), RuntimeError("no memory"), OSError("gone")])
def test_a_bad_one_leaves_the_old_one(versions, upstream, error):
    with serving(versions.settings, load=versions) as gateway:
        versions.broken = error
        response = reload(gateway)
        assert response.status_code == 409
        assert "the router v1 goes on" in response.json()["error"]["message"]
        assert str(error) in response.json()["error"]["message"]
        assert post(gateway, chat("alpha")).json()["model"] == "alpha"
        assert gateway.metric("arms_reloads_total", result="failed") == 1


def test_one_that_does_not_fit_the_settings():
    def settings(**changes):
        of = {"base_url": "http://127.0.0.1:1/v1", "model": "m"}
        return ServeSettings.model_validate(
            {"router": "r", "default": "other", "port": free_port(), "upstreams": {"other": of}, **changes}
        )

    with pytest.raises(ArmsError, match=r"upstreams: expected VLMs of the router \(alpha, beta, gamma\), got other"):
        Loaded.of(FakeRouter(), settings(), "fake")
    both = {name: {"base_url": "http://127.0.0.1:1/v1", "model": "m"} for name in ("other", "alpha")}
    wrong = settings(upstreams=both, policies={"slow": {"name": "cheapest", "tau": 0.5, "of": "latency"}})
    with pytest.raises(ArmsError, match=r"policies\.slow: .*latency"):
        Loaded.of(FakeRouter(), wrong, "fake")


def test_only_this_machine_may_ask(upstream):
    from fastapi import Request

    from arms.serve.auth import check_local
    from arms.serve.problems import RequestError

    for host in ("10.0.0.1", "93.184.216.34", "name"):
        with pytest.raises(RequestError, match="from this machine"):
            check_local(Request({"type": "http", "client": (host, 1)}))
    check_local(Request({"type": "http", "client": ("::1", 1)}))

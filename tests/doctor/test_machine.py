import os
import shutil
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace

import pytest
import torch

from arms.doctor import machine
from arms.doctor.machine import Line, report
from arms.encoders.torchvision_guard import import_torchvision
from arms.errors import ArmsError

GPU = SimpleNamespace(name="Card", total_memory=80 * 2**30)


@pytest.fixture
def gpu(monkeypatch):
    """A machine with one GPU."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda number: GPU)


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


def look(function, *args, failed="note"):
    return report("topic", function, *args, failed=failed)


def test_what_fails_is_reported():
    def fail():
        raise RuntimeError("operator torchvision::nms does not exist\nand so on")

    line = report("torchvision", fail, failed="missing")
    error = "RuntimeError: operator torchvision::nms does not exist"
    assert line == Line(topic="torchvision", status="missing", text=f"does not work: {error}", facts={"error": error})
    assert look(fail).status == "note"


def test_what_arms_says_needs_no_type():
    def fail():
        raise ArmsError("conf/data/x.yaml: no such file")

    assert look(fail).text == "conf/data/x.yaml: no such file"


def test_python(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", os.path.dirname(sys.executable))
    line = look(machine.look_at_python)
    assert line.status == "ok"
    assert line.text.startswith(f"{sys.version_info.major}.{sys.version_info.minor}.")
    monkeypatch.setenv("PATH", str(tmp_path))
    line = look(machine.look_at_python)
    assert line.status == "note"
    assert f"the `python` {sys.executable}, but the PATH has none: activate its environment" in line.text
    (tmp_path / "python").symlink_to(sys.executable)
    assert look(machine.look_at_python).status == "note", "a link elsewhere does not find this environment's packages"


def test_processor(monkeypatch):
    monkeypatch.setattr(machine, "_memory_bytes", lambda: 3 * 2**29)
    line = look(machine.look_at_processor)
    cores = len(os.sched_getaffinity(0))
    assert line.text == f"{cores} cores, 1.5 GiB of memory"
    assert line.facts == {"cores": cores, "memory_bytes": 3 * 2**29}


def test_memory():
    assert 2**28 < machine._memory_bytes() <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def test_torch():
    line = look(machine.look_at_package, "torch")
    assert line.text == line.facts["version"] == torch.__version__


class TestDevice:
    def test_no_gpu(self, no_gpu, monkeypatch):
        monkeypatch.setattr(shutil, "which", lambda name: None)
        line = look(machine.look_at_device, "auto")
        assert (line.status, line.text) == ("note", "cpu; no GPU: extraction and training run on the CPU")
        assert line.facts == {"device": "cpu", "gpus": []}

    def test_a_driver_that_this_torch_cannot_use(self, no_gpu, monkeypatch):
        monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")
        monkeypatch.setattr(torch.version, "cuda", None)
        assert "this torch is built for the CPU only" in look(machine.look_at_device, "auto").text

    def test_cuda_that_is_not_there(self, no_gpu):
        line = look(machine.look_at_device, "cuda", failed="missing")
        assert line.status == "missing"
        assert line.text.startswith("runtime.device: expected a CUDA GPU for 'cuda', found none")

    def test_a_gpu(self, gpu):
        line = look(machine.look_at_device, "auto")
        assert (line.status, line.text) == ("ok", "cuda: Card with 80 GiB")
        assert line.facts == {"device": "cuda", "gpus": [{"name": "Card", "memory_bytes": 80 * 2**30}]}

    def test_a_gpu_that_is_not_used(self, gpu):
        line = look(machine.look_at_device, "cpu")
        assert (line.status, line.text) == ("note", "cpu, as runtime.device says, though there is Card with 80 GiB")

    def test_nothing_is_set_up(self, no_gpu):
        before = torch.are_deterministic_algorithms_enabled()
        torch.use_deterministic_algorithms(False)
        try:
            look(machine.look_at_device, "auto")
            assert not torch.are_deterministic_algorithms_enabled()
        finally:
            torch.use_deterministic_algorithms(before)


class TestBfloat16:
    @pytest.mark.parametrize(
        ("has", "status", "instructions"),
        [
            ({"avx2": True, "avx512_bf16": False}, "note", []),
            ({"avx2": True, "avx512_bf16": True}, "ok", ["avx512_bf16"]),
            ({"amx_bf16": True, "avx512_bf16": True}, "ok", ["amx_bf16", "avx512_bf16"]),
            ({"neon": True, "bf16": True}, "ok", ["bf16"]),
        ],
    )
    def test_on_the_cpu(self, monkeypatch, has, status, instructions):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: has)
        line = look(machine.look_at_bfloat16, "cpu")
        assert (line.status, line.facts) == (status, {"native": bool(instructions), "instructions": instructions})
        assert ("neither avx512_bf16 nor amx_bf16" in line.text) == (status == "note")

    @pytest.mark.parametrize(("native", "status"), [(True, "ok"), (False, "note")])
    def test_on_a_gpu(self, monkeypatch, native, status):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: native)
        line = look(machine.look_at_bfloat16, "cuda")
        assert (line.status, line.facts["native"]) == (status, native)


def test_torch_knows_this_cpu():
    assert {"architecture", "cpu_name"} <= torch.cpu.get_capabilities().keys()


@pytest.mark.parametrize("guarded", [True, False])
def test_torchvision(monkeypatch, guarded):
    import_torchvision()
    monkeypatch.setattr("arms.encoders.torchvision_guard._declared", [object()] if guarded else [])
    line = look(machine.look_at_torchvision)
    assert line.facts == {"version": sys.modules["torchvision"].__version__, "guard_in_use": guarded}
    assert ("only its Python transforms" in line.text) == guarded


class TestFaiss:
    def test_for_the_cpu(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "faiss", SimpleNamespace(__version__="1.15"))
        line = look(machine.look_at_faiss, "cpu")
        assert (line.status, line.text) == ("ok", "1.15, built for the CPU")
        line = look(machine.look_at_faiss, "cuda")
        assert line.status == "note"
        assert line.text == "1.15, built for the CPU: kNN runs on the CPU; install arms[gpu] instead of arms[cpu]"

    def test_for_gpus(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "faiss", SimpleNamespace(__version__="1.15", StandardGpuResources=None))
        line = look(machine.look_at_faiss, "cuda")
        assert (line.status, line.facts) == ("ok", {"version": "1.15", "gpu": True})


@pytest.fixture
def no_git_settings(monkeypatch, tmp_path):
    """Git without settings of its user, in a folder that is no repository."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for name in ("GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def test_git(monkeypatch, tmp_path, no_git_settings):
    version = subprocess.check_output(["git", "--version"], text=True).split("version ")[1].strip()
    monkeypatch.setenv("GIT_COMMITTER_NAME", "Ada")
    line = look(machine.look_at_git)
    assert (line.status, line.facts) == ("note", {"version": version, "unset": ["user.email"]})
    assert line.text == (
        f"{version}; it has no email for you, which commits and `dvc exp run` need; run: "
        "git config --global user.email YOUR_EMAIL"
    )
    (tmp_path / "gitconfig").write_text("[user]\nemail = ada@example.org\n")
    line = look(machine.look_at_git)
    assert (line.status, line.text, line.facts["unset"]) == ("ok", version, [])
    monkeypatch.setenv("PATH", str(tmp_path))
    assert (look(machine.look_at_git).status, look(machine.look_at_git).facts) == ("note", {"version": None})


def test_disk(tmp_path, monkeypatch):
    assert look(machine.look_at_disk, tmp_path).facts["features_bytes"] == 0
    store = tmp_path / "data/features/a/b/image.zarr"
    store.mkdir(parents=True)
    (store / "zarr.json").write_bytes(bytes(1000))
    (tmp_path / "data/features/a/x").write_bytes(bytes(24))
    (store / "gone").symlink_to("nowhere")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=3 * 2**30))
    line = look(machine.look_at_disk, tmp_path)
    assert line.facts == {"free_bytes": 3 * 2**30, "features_bytes": 1024 + len("nowhere")}
    assert (line.status, line.text) == ("ok", "3.0 GiB free; the feature stores take 0.00 GiB")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=2**30))
    assert look(machine.look_at_disk, tmp_path).status == "note"


class TestHub:
    @pytest.fixture(autouse=True)
    def online(self, monkeypatch):
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)

    @pytest.fixture
    def serve(self, monkeypatch):
        """A server that answers HEAD requests with a status, in the hub's place; what it was asked."""
        servers, asked = [], []

        def start(status):
            class Handler(BaseHTTPRequestHandler):
                def do_HEAD(self):
                    asked.append(self.path)
                    self.send_response(status)
                    self.end_headers()

                def log_message(self, *args):
                    pass

            server = HTTPServer(("127.0.0.1", 0), Handler)
            servers.append(server)
            threading.Thread(target=server.serve_forever, daemon=True).start()
            monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{server.server_port}")
            return asked

        yield start
        for server in servers:
            server.shutdown()
            server.server_close()

    @pytest.mark.parametrize(
        ("status", "reachable"), [(200, True), (302, True), (404, True), (403, False), (503, False)]
    )
    def test_it_is_asked(self, serve, status, reachable):
        asked = serve(status)
        line = look(machine.look_at_hub, True)
        assert asked == ["/"]
        assert (line.status, line.facts["reachable"]) == ("ok" if reachable else "note", reachable)
        assert line.text.startswith(line.facts["endpoint"])
        if not reachable:
            assert line.text.endswith(f"is not reachable (HTTP {status})")

    def test_it_need_not_be_asked(self, serve, monkeypatch):
        asked = serve(200)
        line = look(machine.look_at_hub, False)
        assert (line.status, line.facts["reachable"]) == ("note", None)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        line = look(machine.look_at_hub, True)
        assert (line.status, line.facts["reachable"]) == ("note", False)
        assert line.text == "off, as HF_HUB_OFFLINE says: nothing is downloaded"
        assert asked == []

    def test_nobody_is_there(self, monkeypatch):
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{unused.getsockname()[1]}")
            line = look(machine.look_at_hub, True)
        assert (line.status, line.facts["reachable"]) == ("note", False)
        assert "is not reachable (ConnectError: " in line.text

    def test_it_keeps_silent(self, monkeypatch):
        monkeypatch.setattr(machine, "_HUB_TIMEOUT_S", 0.2)
        with socket.create_server(("127.0.0.1", 0)) as silent:
            monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
            line = look(machine.look_at_hub, True)
        assert line.facts["reachable"] is False
        assert "Timeout" in line.text

    def test_many_addresses_that_keep_silent(self, monkeypatch):
        """As long as one try takes, not all of them."""
        never = threading.Event()
        monkeypatch.setattr(machine, "_HUB_TIMEOUT_S", -0.9)
        monkeypatch.setattr(
            "huggingface_hub.get_session", lambda: SimpleNamespace(head=lambda *args, **options: never.wait(20))
        )
        assert "is not reachable (no answer in 0.1 s)" in look(machine.look_at_hub, True).text
        never.set()

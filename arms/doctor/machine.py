"""What this machine has: processor, memory, GPUs, libraries, disk, and whether the model hub answers."""

import importlib
import os
import platform
import shutil
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from arms.errors import ArmsError
from arms.params.runtime import count_cores

Status = Literal["ok", "note", "missing"]
Found = tuple[Status, str, dict[str, Any]]  # status, text and facts of a `Line`

_GIB = 2**30
_LITTLE_SPACE = 2 * _GIB  # less is worth a note
_HUB_TIMEOUT_S = 3.0
_BF16_INSTRUCTIONS = ("amx_bf16", "avx512_bf16", "bf16")  # x86's, and the last one Arm's


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """A line of the report: what there is, or what is missing and for what, as a text and as JSON-able facts.

    Its status is missing if the pipeline needs the thing as it is set, note if only the user should know, else ok.
    """

    topic: str
    status: Status
    text: str
    facts: dict[str, Any] = field(default_factory=dict)


def report(topic: str, look: Callable[..., Found], *args: Any, failed: Status = "note") -> Line:
    """The line of what `look` finds; if it raises, a line of status `failed` with the error."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            status, text, facts = look(*args)
    except ArmsError as error:
        status, text, facts = failed, str(error), {"error": str(error)}
    except Exception as error:  # a broken library may raise anything, and that is what the doctor is to find
        status, text, facts = failed, f"does not work: {_first_line(error)}", {"error": _first_line(error)}
    return Line(topic=topic, status=status, text=text, facts=facts)


def look_at_python() -> Found:
    """Version and platform, and whether the stages would run in this environment."""
    own, found = Path(sys.executable), shutil.which("python")
    version, system = platform.python_version(), platform.platform()
    facts = {"version": version, "platform": system, "executable": str(own), "on_path": found}
    if found and Path(found).parent.resolve() == own.parent.resolve():
        return "ok", f"{version} on {system}", facts
    other = f"the PATH leads to {found}" if found else "the PATH has none"
    text = f"{version} on {system}; the stages need the `python` {own}, but {other}: activate its environment"
    return "note", text, facts


def look_at_processor() -> Found:
    """Cores that this process may use, and memory."""
    cores, num_bytes = count_cores(), _memory_bytes()
    text = f"{cores} cores, {num_bytes / _GIB:.1f} GiB of memory"
    return "ok", text, {"cores": cores, "memory_bytes": num_bytes}


def look_at_package(name: str, extra: str | None = None) -> Found:
    """Version of a package that can be imported, and the extra that brings it; torch's says what it was built for."""
    if extra is not None and find_spec(name) is None:
        raise ArmsError(f"not installed; training and judging need it; run: pip install 'arms[{extra}]'")
    version = importlib.import_module(name).__version__
    return "ok", version, {"version": version}


def look_at_device(wanted: str) -> Found:
    """The device that `runtime.device` leads to, and the GPUs."""
    import torch

    from arms.device import resolve_device

    numbers = range(torch.cuda.device_count() if torch.cuda.is_available() else 0)
    cards = [torch.cuda.get_device_properties(number) for number in numbers]
    names = ", ".join(f"{card.name} with {card.total_memory / _GIB:.0f} GiB" for card in cards)
    gpus = [{"name": card.name, "memory_bytes": card.total_memory} for card in cards]
    facts = {"device": resolve_device(wanted), "gpus": gpus}
    if facts["device"] == "cuda":
        return "ok", f"cuda: {names}", facts
    if cards:
        return "note", f"cpu, as runtime.device says, though there is {names}", facts
    text = "cpu; no GPU: extraction and training run on the CPU"
    if torch.version.cuda is None and shutil.which("nvidia-smi"):
        text += "; there is a driver, but this torch is built for the CPU only: install one that is built for CUDA"
    return "note", text, facts


def look_at_bfloat16(device: str | None) -> Found:
    """Whether bfloat16 is fast on the device, as torch knows it; nothing is measured."""
    import torch

    if device == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
        facts = {"native": native, "instructions": []}
        return ("ok", "native on the GPU", facts) if native else ("note", "only emulated on the GPU", facts)
    found = [name for name in _BF16_INSTRUCTIONS if torch.cpu.get_capabilities().get(name)]
    facts = {"native": bool(found), "instructions": found}
    if found:
        return "ok", f"fast on this CPU: {', '.join(found)}", facts
    text = "works, but slowly: this CPU has neither avx512_bf16 nor amx_bf16; `precision: auto` then takes float32"
    return "note", text, facts


def look_at_torchvision() -> Found:
    """Version of torchvision, and whether its library fits torch's."""
    from arms.encoders.torchvision_guard import import_torchvision, is_stood_in_for

    import_torchvision()
    version, guarded = sys.modules["torchvision"].__version__, is_stood_in_for()
    text = f"{version}, only its Python transforms: its library does not fit torch's" if guarded else version
    return "ok", text, {"version": version, "guard_in_use": guarded}


def look_at_faiss(device: str | None) -> Found:
    """Version of faiss, and whether it is built for GPUs."""
    faiss = importlib.import_module("faiss")
    on_gpu = hasattr(faiss, "StandardGpuResources")
    text = f"{faiss.__version__}, built for {'GPUs' if on_gpu else 'the CPU'}"
    facts = {"version": faiss.__version__, "gpu": on_gpu}
    if device == "cuda" and not on_gpu:
        return "note", f"{text}: kNN runs on the CPU; install arms[gpu] instead of arms[cpu]", facts
    return "ok", text, facts


def look_at_git() -> Found:
    """Version of git, and whether it knows a name and an email to commit with."""
    if shutil.which("git") is None:
        return "note", "not on the PATH: results cannot be compared with those of other commits", {"version": None}
    version = _run_git("--version").removeprefix("git version ")
    unset = [key for key in ("name", "email") if not (_who(key) or _run_git("config", f"user.{key}"))]
    facts = {"version": version, "unset": [f"user.{key}" for key in unset]}
    if not unset:
        return "ok", version, facts
    commands = "; ".join(f"git config --global user.{key} YOUR_{key.upper()}" for key in unset)
    text = (
        f"{version}; it has no {' and no '.join(unset)} for you, which commits and `dvc exp run` need; run: {commands}"
    )
    return "note", text, facts


def _run_git(*arguments: str) -> str:
    """What git prints; nothing if it fails, as for a setting that is not there."""
    return subprocess.run(["git", *arguments], capture_output=True, text=True, timeout=10).stdout.strip()


def _who(key: str) -> str | None:
    """The name or the email that the environment gives git."""
    return os.environ.get(f"GIT_COMMITTER_{key.upper()}")


def look_at_disk(root: Path) -> Found:
    """Free space for data/, and what the feature stores take of it."""
    data = root / "data"
    free = shutil.disk_usage(data if data.exists() else root).free
    stores = sum(path.lstat().st_size for path in (data / "features").rglob("*") if not path.is_dir())
    text = f"{free / _GIB:.1f} GiB free; the feature stores take {stores / _GIB:.2f} GiB"
    return "note" if free < _LITTLE_SPACE else "ok", text, {"free_bytes": free, "features_bytes": stores}


def look_at_hub(ask: bool) -> Found:
    """Whether the model hub answers at the address that huggingface_hub is set to; unknown if it is not to be asked."""
    from huggingface_hub import constants

    where = constants.ENDPOINT
    if constants.HF_HUB_OFFLINE:
        return "note", "off, as HF_HUB_OFFLINE says: nothing is downloaded", {"endpoint": where, "reachable": False}
    if not ask:
        return "note", f"{where} was not asked (--offline)", {"endpoint": where, "reachable": None}
    answer = _answer(where)
    if answer.startswith(("HTTP 2", "HTTP 3")) or answer in ("HTTP 404", "HTTP 405"):  # no page there, yet models
        return "ok", f"{where} answers", {"endpoint": where, "reachable": True}
    return "note", f"{where} is not reachable ({answer})", {"endpoint": where, "reachable": False}


def _answer(url: str) -> str:
    """The status of a HEAD request, as in HTTP 200, or why none came; within seconds, whatever it tries."""
    from huggingface_hub import get_session

    answers = [f"no answer in {_HUB_TIMEOUT_S + 1:g} s"]

    def request() -> None:
        try:
            answers.append(f"HTTP {get_session().head(url, timeout=_HUB_TIMEOUT_S).status_code}")
        except Exception as error:  # which ones depends on the HTTP library that this version of the hub uses
            answers.append(_first_line(error))

    thread = threading.Thread(target=request, daemon=True)
    thread.start()
    thread.join(_HUB_TIMEOUT_S + 1)
    return answers[-1]


def _memory_bytes() -> int:
    """The machine's memory, or what a container may use of it."""
    limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for file in map(Path, ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")):
        limits += [int(text) for text in (file.read_text().split() if file.is_file() else ()) if text.isdigit()]
    return min(limits)


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".partition("\n")[0]

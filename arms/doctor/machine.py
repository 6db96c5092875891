"""What this machine has: processor, memory, GPUs, libraries, disk, and whether the model hub answers.

Each function looks at one thing and gives a line; `safely` is for those that other people's code may fail in.
"""

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
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

Status = Literal["ok", "note", "missing"]

_GIB = 2**30
_LITTLE_SPACE = 2 * _GIB  # a note below it
_HUB_TIMEOUT_S = 3.0
_BF16_INSTRUCTIONS = ("amx_bf16", "avx512_bf16", "bf16")  # of x86, and the last one of Arm


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """What was found of one thing.

    Attributes
    ----------
    topic : str
    status : Status
        ok; note: nothing that the pipeline needs as it is set; missing: something that it needs.
    text : str
        What there is, or what is missing and for what.
    facts : dict
        The same for a program, JSON-able.
    """

    topic: str
    status: Status
    text: str
    facts: dict[str, Any] = field(default_factory=dict)


def safely(topic: str, look: Callable[[], Line], *, failed: Status = "note") -> Line:
    """What `look` finds, or in the place of an error of whatever kind a line that tells it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return look()
    except Exception as error:  # a broken library may raise anything, and that is what is to be found out here
        told = f"{type(error).__name__}: {error}".partition("\n")[0]
        return Line(topic=topic, status=failed, text=f"does not work: {told}", facts={"error": told})


def look_at_python() -> Line:
    """Version and platform, and whether the stages would run in this environment."""
    own, found = Path(sys.executable), shutil.which("python")
    version, system = platform.python_version(), platform.platform()
    facts = {"version": version, "platform": system, "executable": str(own), "on_path": found}
    text = f"{version} on {system}"
    if found and Path(found).parent.resolve() == own.parent.resolve():
        return Line(topic="python", status="ok", text=text, facts=facts)
    told = f"the pipeline's stages run the `python` of the PATH, {found or 'which has none'}, not {own}"
    return Line(topic="python", status="note", text=f"{text}; {told}: activate this environment first", facts=facts)


def look_at_processor() -> Line:
    """Cores that this process may use, and memory."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    num_bytes = _memory_bytes()
    text = f"{cores} cores, {num_bytes / _GIB:.1f} GiB of memory"
    return Line(topic="machine", status="ok", text=text, facts={"cores": cores, "memory_bytes": num_bytes})


def look_at_torch() -> Line:
    """Version of torch, and what it was built for."""
    import torch

    built = f"CUDA {torch.version.cuda}" if torch.version.cuda else "the CPU alone"
    facts = {"version": torch.__version__, "cuda": torch.version.cuda}
    return Line(topic="torch", status="ok", text=f"{torch.__version__}, built for {built}", facts=facts)


def look_at_device(wanted: str) -> Line:
    """The device that `runtime.device` leads to, and the GPUs."""
    import torch

    from arms.device import resolve_device
    from arms.errors import ArmsError

    gpus = [_gpu(number) for number in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    try:
        device = resolve_device(wanted)
    except ArmsError as error:
        return Line(topic="device", status="missing", text=str(error), facts={"device": None, "gpus": gpus})
    facts = {"device": device, "gpus": gpus}
    told = ", ".join(f"{gpu['name']} with {gpu['memory_bytes'] / _GIB:.0f} GiB" for gpu in gpus)
    if device == "cuda":
        return Line(topic="device", status="ok", text=f"cuda: {told}", facts=facts)
    if gpus:
        return Line(topic="device", status="note", text=f"cpu, as runtime.device says, beside {told}", facts=facts)
    text = "cpu; no GPU: extraction and training run on the CPU"
    if torch.version.cuda is None and shutil.which("nvidia-smi"):
        text += "; a driver is there, but this torch is built for the CPU alone: install one that is built for CUDA"
    return Line(topic="device", status="note", text=text, facts=facts)


def look_at_bfloat16(device: str | None) -> Line:
    """Whether bfloat16 is fast on the device; by what it says of itself, nothing is measured."""
    import torch

    if device == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
        has = "native" if native else "only emulated"
        facts = {"native": native, "instructions": []}
        return Line(topic="bfloat16", status="ok" if native else "note", text=f"{has} on the GPU", facts=facts)
    found = [name for name in _BF16_INSTRUCTIONS if name in _processor_flags()]
    facts = {"native": bool(found), "instructions": found}
    if found:
        return Line(topic="bfloat16", status="ok", text=f"fast on this CPU: {', '.join(found)}", facts=facts)
    text = "works, but slowly: this CPU has neither avx512_bf16 nor amx_bf16; `precision: auto` then takes float32"
    return Line(topic="bfloat16", status="note", text=text, facts=facts)


def look_at_torchvision() -> Line:
    """Version of torchvision, and whether its library goes with torch's."""
    from arms.encoders.torchvision_guard import import_torchvision, is_stood_in_for

    import_torchvision()
    version, guarded = sys.modules["torchvision"].__version__, is_stood_in_for()
    text = f"{version}, its Python transforms alone: its library does not go with torch's" if guarded else version
    return Line(topic="torchvision", status="ok", text=text, facts={"version": version, "guard_in_use": guarded})


def look_at_package(name: str) -> Line:
    """Version of an installed package."""
    version = importlib.import_module(name).__version__
    return Line(topic=name, status="ok", text=version, facts={"version": version})


def look_at_faiss(device: str | None) -> Line:
    """Version of faiss, and whether it is built for GPUs."""
    faiss: ModuleType = importlib.import_module("faiss")
    on_gpu = hasattr(faiss, "StandardGpuResources")
    facts = {"version": faiss.__version__, "gpu": on_gpu}
    text = f"{faiss.__version__}, built for {'GPUs' if on_gpu else 'the CPU'}"
    if device == "cuda" and not on_gpu:
        text += ": kNN runs on the CPU; install arms[gpu] in the place of arms[cpu]"
        return Line(topic="faiss", status="note", text=text, facts=facts)
    return Line(topic="faiss", status="ok", text=text, facts=facts)


def look_at_git() -> Line:
    """Version of git."""
    if shutil.which("git") is None:
        text = "not on the PATH: results cannot be compared with those of other commits"
        return Line(topic="git", status="note", text=text, facts={"version": None})
    done = subprocess.run(["git", "--version"], capture_output=True, text=True, timeout=10, check=True)
    version = done.stdout.strip().removeprefix("git version ")
    return Line(topic="git", status="ok", text=version, facts={"version": version})


def look_at_disk(root: Path) -> Line:
    """Free space where data/ lies, and what the feature stores take of it."""
    data = root / "data"
    free = shutil.disk_usage(data if data.exists() else root).free
    stores = sum(
        os.lstat(Path(folder, name)).st_size for folder, _, names in os.walk(data / "features") for name in names
    )
    text = f"{free / _GIB:.1f} GiB free; the feature stores take {stores / _GIB:.2f} GiB"
    status: Status = "note" if free < _LITTLE_SPACE else "ok"
    return Line(topic="disk", status=status, text=text, facts={"free_bytes": free, "features_bytes": stores})


def look_at_hub(*, ask: bool) -> Line:
    """Whether the model hub answers, where huggingface_hub is set up to reach it; None if it was not asked."""
    from huggingface_hub import constants

    where = {"endpoint": constants.ENDPOINT}
    if constants.HF_HUB_OFFLINE:
        text = "off, as HF_HUB_OFFLINE says: nothing is downloaded"
        return Line(topic="hub", status="note", text=text, facts=where | {"reachable": False})
    if not ask:
        text = f"{constants.ENDPOINT} was not asked (--offline)"
        return Line(topic="hub", status="note", text=text, facts=where | {"reachable": None})
    answer = _answer(constants.ENDPOINT)
    # A server without a page at its root may have models all the same.
    reachable = isinstance(answer, int) and (answer < 400 or answer in (404, 405))
    told = "answers" if reachable else f"is not reachable ({answer if isinstance(answer, str) else f'HTTP {answer}'})"
    text = f"{constants.ENDPOINT} {told}"
    return Line(topic="hub", status="ok" if reachable else "note", text=text, facts=where | {"reachable": reachable})


def _answer(url: str) -> int | str:
    """The HTTP status of a HEAD request, or why there is none, within seconds however many addresses are tried."""
    from huggingface_hub import get_session

    answers: list[int | str] = []

    def request() -> None:
        try:
            answers.append(get_session().head(url, timeout=_HUB_TIMEOUT_S).status_code)
        except Exception as error:  # which ones depends on the HTTP library that this version of the hub uses
            answers.append(f"{type(error).__name__}: {error}".partition("\n")[0])

    thread = threading.Thread(target=request, daemon=True)
    thread.start()
    thread.join(_HUB_TIMEOUT_S + 1)
    return answers[0] if answers else f"no answer in {_HUB_TIMEOUT_S + 1:g} s"


def _gpu(number: int) -> dict[str, Any]:
    import torch

    found = torch.cuda.get_device_properties(number)
    return {"name": found.name, "memory_bytes": found.total_memory}


def _memory_bytes() -> int:
    """The machine's memory, or what a container may use of it."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for file in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            total = min(total, int(Path(file).read_text()))
        except (OSError, ValueError):  # no such limit, or the word max
            continue
    return total


def _processor_flags() -> set[str]:
    """The instruction sets that the processor says it has."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return set()
    line = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return set(line.partition(":")[2].split())

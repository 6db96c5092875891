"""Run the pipeline's stages, each as a process in the scratch project, and measure their time and memory."""

import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import psutil

from benchmarks.m2_parts.project import ROOT

# Each stage with its module and arguments, and the folders that it writes.
STAGES: dict[str, tuple[Sequence[str], Sequence[str]]] = {
    "prepare": (("stages.prepare",), ("data/prepared",)),
    "encode, images": (("stages.encode", "image"), ("data/features/{data}/{encoders}/image.zarr",)),
    "encode, texts": (("stages.encode", "text"), ("data/features/{data}/{encoders}/text.zarr",)),
    "train": (("stages.train",), ("data/routers/phi",)),
    "extend, incremental": (("stages.extend", "incremental"), ("data/routers/incremental",)),
    "extend, independent": (("stages.extend", "independent"), ("data/routers/independent",)),
    "safe": (("stages.safe",), ("data/routers/arms-base", "data/routers/arms")),
    "baselines": (("stages.baselines",), ("data/scores/baselines",)),
    "evaluate": (("stages.evaluate",), ("metrics", "data/plots/evaluate")),
}
_EVERY_S = 0.5


@dataclass(frozen=True)
class Run:
    """What one stage took: seconds, seconds of all its processes on a core, largest memory of all, bytes written."""

    wall_s: float
    core_s: float
    peak_gib: float
    written_bytes: int


def run_stage(name: str, project: Path, data: str, encoders: str) -> Run:
    """Run a stage in the project's folder; a ClickException if it fails."""
    arguments, outs = STAGES[name]
    with (project / f"{name.replace(', ', '-')}.log").open("w") as log:
        run = measure([sys.executable, "-m", *arguments], project, log.fileno())
    paths = [project / out.format(data=data, encoders=encoders) for out in outs]
    return Run(*run, sum(map(folder_bytes, paths)))


def measure(command: Sequence[str], folder: Path, log: int) -> tuple[float, float, float]:
    """Run a command in a folder: its seconds, core seconds and GiB."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    with MemoryWatch(process.pid) as memory:
        failed = process.wait()
    wall_s, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if failed:
        raise click.ClickException(f"{' '.join(command)} ended with {failed}; its log is in {folder}")
    core_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall_s, core_s, memory.peak_bytes / 2**30


class MemoryWatch:
    """The largest memory of a process and those that it starts; what several of them share counts once."""

    def __init__(self, pid: int) -> None:
        self.peak_bytes = 0
        self._process, self._ended = psutil.Process(pid), threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> "MemoryWatch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(_EVERY_S):
            try:
                family = [self._process, *self._process.children(recursive=True)]
            except psutil.Error:
                return
            self.peak_bytes = max(self.peak_bytes, sum(map(_own_bytes, family)))


def _own_bytes(process: psutil.Process) -> int:
    try:
        return process.memory_full_info().pss
    except psutil.Error:  # it has ended meanwhile
        return 0


def folder_bytes(folder: Path) -> int:
    """The bytes of all files below a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())

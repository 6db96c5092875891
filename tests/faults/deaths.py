"""What can befall a process: whether each stage and command ends without a traceback and leaves nothing half."""

import hashlib
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from tests.faults.bytes_campaign import RIGHT, WRONG

DEATHS = ("kill -9", "interrupt", "files cannot grow", "disk full", "read-only", "no HOME", "closed pipe")
_LIMIT_BYTES = 4096
_LEFT_BYTES = 16 * 1024  # on a full disk
_PATIENCE_S = 300.0  # after which a process hangs
_STARTED_S = 0.5  # before, an interrupt meets Python itself, which has a traceback for it
_ROUTE = ("--question", "How many red circles are there?", "--json")


@dataclass(frozen=True)
class Job:
    """A stage or command, and the folders and files that it writes whole."""

    name: str
    command: tuple[str, ...]
    outs: tuple[str, ...] = ()

    @classmethod
    def stage(cls, words: str, *outs: str) -> "Job":
        """A stage of dvc.yaml, as `python -m stages.<words>`."""
        name, *arguments = words.split()
        return cls(words, (sys.executable, "-m", f"stages.{name}", *arguments), outs)

    @classmethod
    def arms(cls, words: str, *more: str, outs: tuple[str, ...] = ()) -> "Job":
        """A command."""
        command = (sys.executable, "-c", "from arms.cli import main; main()", *words.split(), *more)
        return cls(f"arms {words}".partition(" --")[0], command, outs)


JOBS = (
    Job.stage("sample", "data/raw/sample"),
    Job.stage("prepare", "data/prepared/sample"),
    Job.stage("encode image"),
    Job.stage("train", "data/routers/phi", "data/scores/plain"),
    Job.stage("extend incremental", "data/routers/incremental", "data/scores/incremental"),
    Job.stage("extend independent", "data/routers/independent", "data/scores/independent"),
    Job.stage("safe", "data/routers/arms-base", "data/routers/arms", "data/scores/arms"),
    Job.stage("baselines", "data/scores/baselines"),
    Job.stage("evaluate", "metrics"),
    Job.arms("route --image docs/figures/shapes.png", *_ROUTE),
    Job.arms("report"),
    Job.arms("features verify"),
    Job.arms("features info"),
    Job.arms(
        "extend --replace --profile new.yaml --outcomes new.parquet --out data/routers/mine",
        outs=("data/routers/mine",),
    ),
)


@dataclass(frozen=True)
class Ended:
    """How a process ended: its status and what it said."""

    status: int
    said: str


def try_deaths(
    project: Path,
    older: Path,
    *,
    jobs: Sequence[Job] = JOBS,
    deaths: Sequence[str] = DEATHS,
    tries: int = 1,
    seed: int = 0,
) -> Iterator[tuple[str, str, str, str]]:
    """Yield job, death, outcome and what happened, case by case.

    Before each case the job's outs are those of an older run, so that old, new and half can be told apart.

    Parameters
    ----------
    project : Path
        A run of the pipeline that may be worked on; on a file system of its own, the disk can be full and read-only.
    older : Path
        A run with other seeds.
    tries : int
        Times at which a job is killed or interrupted.
    """
    chance = random.Random(seed)
    write_new_vlm(project)
    for job in jobs:
        started_s = time.monotonic()
        ended = _run(job, project)
        elapsed_s = time.monotonic() - started_s
        yield job.name, "nothing", *_judged(ended.status == 0 and "Traceback" not in ended.said, f"{job.name}: {ended}")
        right, old = _states(job, project), {}
        for out in job.outs:
            old[out] = _put_old(project / out, older / out)
        for death in deaths:
            if death in ("disk full", "read-only") and not os.path.ismount(project):
                continue
            for _ in range(tries if death in ("kill -9", "interrupt") else 1):
                for out in job.outs:
                    _put_old(project / out, older / out)
                if job.name == "encode image":
                    shutil.rmtree(project / "data/features/sample/bundled/image.zarr", ignore_errors=True)
                ended = _die(job, project, death, max(_STARTED_S, chance.uniform(0.05, 0.95) * elapsed_s))
                problems = _problems(job, project, death, ended, right, old)
                yield job.name, death, *_judged(not problems, f"{death}, {job.name}: {'; '.join(problems)}")


def write_new_vlm(project: Path) -> None:
    """A profile and outcomes for `arms extend`."""
    outcomes = pd.read_parquet(project / "data/prepared/sample/outcomes.parquet")
    known = outcomes[outcomes["vlm"] == outcomes["vlm"].iloc[0]].assign(vlm="newcomer")
    known[["query_id", "vlm", "correct"]].to_parquet(project / "new.parquet")
    (project / "new.yaml").write_text("name: newcomer\naccess: free\nparams_b: 3\n")


def _judged(fine: bool, text: str) -> tuple[str, str]:
    return (RIGHT if fine else WRONG), text


def _problems(
    job: Job, project: Path, death: str, ended: Ended, right: dict[str, str], old: dict[str, str]
) -> list[str]:
    """What is wrong after a death, and after the next run."""
    problems = []
    if ended.said.startswith("hung"):
        problems.append("it hangs")
    if "Traceback" in ended.said or "Exception ignored" in ended.said:
        problems.append(f"a traceback: {ended.said[-1500:]}")
    allowed = {"interrupt": (0, 130, -2), "no HOME": (0,), "kill -9": (0, -9)}.get(death, (0, 1, 120))
    if ended.status not in allowed:
        problems.append(f"status {ended.status}: {ended.said[-500:]}")
    if death not in ("kill -9", "closed pipe") and ended.status == 1 and ended.said.count("rror: ") != 1:
        problems.append(f"not one message: {ended.said[-500:]}")
    for out, state in _states(job, project).items():
        if state not in (right[out], old[out]):
            problems.append(f"{out} is half")
    again = _run(job, project)
    if again.status != 0:
        problems.append(f"the next run ended with {again.status}: {again.said[-500:]}")
    if (states := _states(job, project)) != right:
        problems.append(f"the next run gives another {', '.join(out for out in right if states[out] != right[out])}")
    left = [path.name for out in job.outs for path in (project / out).parent.glob(".*.tmp")]
    if left:
        problems.append(f"{', '.join(left)} is left")
    return problems


def _die(job: Job, project: Path, death: str, after_s: float) -> Ended:
    if death in ("kill -9", "interrupt"):
        return _run(job, project, signal_after=(signal.SIGKILL if death == "kill -9" else signal.SIGINT, after_s))
    if death == "files cannot grow":
        return _run(job, project, limited=True)
    if death == "no HOME":
        return _run(job, project, without=("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"))
    if death == "closed pipe":
        return _run(job, project, closed=True)
    with _full(project) if death == "disk full" else _read_only(project):
        return _run(job, project)


def _run(
    job: Job,
    project: Path,
    *,
    signal_after: tuple[signal.Signals, float] | None = None,
    limited: bool = False,
    without: Sequence[str] = (),
    closed: bool = False,
) -> Ended:
    environment = {key: value for key, value in os.environ.items() if key not in without}
    environment |= {"PYTHONPATH": str(project), "PYTHONDONTWRITEBYTECODE": "1"}
    reader, writer = os.pipe()
    if closed:
        os.close(reader)
    process = subprocess.Popen(
        job.command,
        cwd=project,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=writer,
        stderr=subprocess.PIPE if closed else writer,
        start_new_session=True,  # a group of its own, as a terminal's foreground job
        preexec_fn=_limit if limited else _heed_interrupts,
    )
    os.close(writer)
    if signal_after is not None:
        with suppress(subprocess.TimeoutExpired):
            process.wait(signal_after[1])
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal_after[0])
    hung = threading.Timer(_PATIENCE_S, os.killpg, (process.pid, signal.SIGKILL))
    hung.start()
    if process.stderr is not None:
        said = process.stderr.read()
    else:
        with os.fdopen(reader, "rb") as stream:
            said = stream.read()
    status = process.wait()
    is_hung, _ = not hung.is_alive(), hung.cancel()
    return Ended(status, "hung\n" * is_hung + said.decode(errors="replace"))


def _heed_interrupts() -> None:
    """A shell that starts the campaign in the background lets it ignore them."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _limit() -> None:
    _heed_interrupts()
    resource.setrlimit(resource.RLIMIT_FSIZE, (_LIMIT_BYTES, _LIMIT_BYTES))


@contextmanager
def _full(project: Path) -> Iterator[None]:
    filler = project / "filler"
    free = shutil.disk_usage(project).free
    filler.write_bytes(bytes(max(0, free - _LEFT_BYTES)))
    try:
        yield
    finally:
        filler.unlink()


@contextmanager
def _read_only(project: Path) -> Iterator[None]:
    subprocess.run(["mount", "-o", "remount,ro", str(project)], check=True)
    try:
        yield
    finally:
        subprocess.run(["mount", "-o", "remount,rw", str(project)], check=True)


@contextmanager
def on_own_disk(project: Path, place: Path, megabytes: int) -> Iterator[Path]:
    """A copy of a project on a small file system of its own; a plain copy where none can be mounted."""
    place.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(place)]
    mounted = shutil.which("mount") is not None and subprocess.run(mounting, capture_output=True).returncode == 0
    try:
        shutil.copytree(
            project, place, symlinks=True, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".git", ".dvc")
        )
        yield place
    finally:
        if mounted:
            subprocess.run(["umount", str(place)], check=True)


def _put_old(out: Path, older: Path) -> str:
    """Put an older version in place, or nothing if there is none; return its state."""
    shutil.rmtree(out, ignore_errors=True)
    if older.is_dir():
        shutil.copytree(older, out)
    return _state(out)


def _states(job: Job, project: Path) -> dict[str, str]:
    return {out: _state(project / out) for out in job.outs}


def _state(out: Path) -> str:
    """All names and contents of a folder."""
    digest = hashlib.sha256()
    for file in sorted(out.rglob("*")):
        if file.is_file():
            digest.update(file.relative_to(out).as_posix().encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()

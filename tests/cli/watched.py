"""Runs commands as a terminal would, behind `yes |`, and takes note of what they start, ask and take up."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.pipeline import ROOT

ARMS = str(Path(sys.executable).parent / "arms")
# What a library might call. Each leaves a trace.
PROGRAMS = ("bash", "convert", "curl", "ffmpeg", "git", "gs", "inkscape", "magick", "python3", "rsvg-convert", "sh")
_PATIENCE_S = 300
_HOOK = """
import os, sys

_LOG = os.open(os.environ["WATCHED_LOG"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
_EVENTS = {
    "subprocess.Popen", "os.exec", "os.posix_spawn", "os.system", "os.fork", "os.forkpty", "pty.spawn",
    "socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "builtins.input",
}

def _note(event, arguments):
    if event in _EVENTS:
        os.write(_LOG, f"{event} {arguments!r}\\n".encode())

sys.addaudithook(_note)
"""

# A process counts what the one had taken up that started it, so a small one has to.
_LAUNCH = """
import resource, subprocess, sys

status = subprocess.call(sys.argv[2:])
with open(sys.argv[1], "w") as file:
    file.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(status)
"""
_TRACE = ("strace", "-f", "--seccomp-bpf", "-qq", "-e", "trace=execve,execveat,connect", "-o")


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes
    ----------
    done : list of str
        Programs that it started, and addresses and questions that it asked, in words.
    peak_mib : float
        The most memory that it took up.
    """

    status: int
    stdout: str
    stderr: str
    done: list[str]
    peak_mib: float


class Watch:
    """Runs commands in a folder. Python, the path and, where it can be used, strace tell what they do."""

    def __init__(self, folder: Path) -> None:
        self.work, self._own = folder / "work", folder / "watch"
        self.work.mkdir()
        self._own.mkdir()
        (self._own / "sitecustomize.py").write_text(_HOOK)
        for name in PROGRAMS:
            program = self._own / "bin" / name
            program.parent.mkdir(exist_ok=True)
            program.write_text(f"#!/bin/sh\necho {name} ran >> {self._own / 'ran'}\n")
            program.chmod(0o755)

    def run(self, *command: str, **environment: str) -> Ended:
        """Run a command to its end, with an endless yes on its input."""
        for name in ("log", "ran", "strace"):
            (self._own / name).unlink(missing_ok=True)
        with open(self._own / "out", "w+") as out, open(self._own / "err", "w+") as err:
            yes = subprocess.Popen(["yes"], stdout=subprocess.PIPE)
            process = subprocess.Popen(
                [sys.executable, "-IS", "-c", _LAUNCH, str(self._own / "peak"), *self._tracer(), *command],
                cwd=self.work, env=self._environment() | environment,
                stdin=yes.stdout, stdout=out, stderr=err, start_new_session=True,
            )  # fmt: skip
            hung = threading.Timer(_PATIENCE_S, os.killpg, (process.pid, signal.SIGKILL))
            hung.start()
            process.wait()
            hung.cancel()
            yes.kill()
            yes.communicate()
            for stream in (out, err):
                stream.seek(0)
            peak_mib = float((self._own / "peak").read_text()) / 1024
            return Ended(process.returncode, out.read(), err.read(), self._done(), peak_mib)

    def _environment(self) -> dict[str, str]:
        return os.environ | {
            "PATH": os.pathsep.join((str(self._own / "bin"), os.environ["PATH"])),
            "PYTHONPATH": os.pathsep.join((str(self._own), str(ROOT))),
            "WATCHED_LOG": str(self._own / "log"),
            "HF_HOME": str(self._own / "cache"),
            "HF_HUB_OFFLINE": "0",  # so that nothing but the code itself keeps it from asking
            "HF_ENDPOINT": "http://127.0.0.1:9",
        }

    def _tracer(self) -> Sequence[str]:
        return (*_TRACE, str(self._own / "strace")) if can_trace() else ()

    def _done(self) -> list[str]:
        done = [line for name in ("log", "ran") for line in _lines(self._own / name)]
        calls = _lines(self._own / "strace")
        started = [call for call in calls if "exec" in call][1:]  # the first is the command itself
        return done + started + [call for call in calls if "sa_family=AF_INET" in call]


@cache
def can_trace() -> bool:
    """Whether strace is there and may watch."""
    command = (*_TRACE, os.devnull, sys.executable, "-c", "")
    return shutil.which("strace") is not None and subprocess.run(command, capture_output=True).returncode == 0


def _lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


def check_refused(ended: Ended, *parts: str, most_mib: float) -> None:
    """One message and status 1, nothing started, nobody asked, and no more memory than that."""
    assert ended.status == 1, ended
    assert ended.stdout == ""
    assert len(re.findall(r"^(?:\w+: e|E)rror: ", ended.stderr, re.MULTILINE)) == 1, ended.stderr
    assert "Traceback" not in ended.stderr
    for part in parts:
        assert part in ended.stderr
    assert ended.done == []
    assert ended.peak_mib < most_mib

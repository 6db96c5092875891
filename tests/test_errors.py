"""How a program ends: one message and an exit status, whatever goes wrong outside of it."""

import errno
import subprocess
import sys

import pytest

from arms.errors import ArmsError, Ending, ending_of


@pytest.mark.parametrize(
    ("error", "ending"),
    [
        (ArmsError("a.yaml: wrong"), Ending("a.yaml: wrong")),
        (KeyboardInterrupt(), Ending("interrupted; run the same again to go on", 130)),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), Ending("")),
        (PermissionError(errno.EACCES, "Permission denied", "a.yaml"), Ending("a.yaml: Permission denied")),
        (OSError(errno.EROFS, "Read-only file system", b"a\xff"), Ending("a\udcff: Read-only file system")),
        (OSError(errno.ENOSPC, "No space left"), Ending("the output cannot be written: No space left")),
        (OSError("no file is named"), None),
        (KeyError("a fault of ours"), None),
    ],
)
def test_endings(error, ending):
    assert ending_of(error) == ending


INTERRUPTED = "made: interrupted; run the same again to go on\n"
FULL = "made: error: the output cannot be written: No space left on device\n"
STAGE = """
import logging, os, signal, sys
from stages.workspace import stage
signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell starts in the background ignores it
with stage("made"):
    {body}
"""


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ("raise KeyboardInterrupt", 130, INTERRUPTED),
        (
            "os.kill(os.getpid(), signal.SIGINT); signal.pause()",
            130,
            "made: interrupted; run the same again to go on\n",
        ),
        ("open('/nowhere/x')", 1, "made: error: /nowhere/x: No such file or directory\n"),
        ("open('/dev/full', 'w').write('x' * 10**6)", 1, FULL),
        (
            "print('x', file=open('/dev/full', 'w'), flush=True)",
            1,
            FULL,
        ),
    ],
)
def test_a_stage_ends_with_one_message(body, status, text):
    done = subprocess.run([sys.executable, "-c", STAGE.format(body=body)], capture_output=True, text=True, timeout=60)
    assert done.returncode == status
    assert done.stderr.startswith(text)
    assert done.stderr.count("\n") == 1


def test_an_interrupt_while_modules_are_imported_is_one_line():
    code = "import stages\nraise KeyboardInterrupt"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stderr == "stages: interrupted; run the same again to go on\n"
    assert done.returncode == 130


@pytest.mark.parametrize("arguments", ["--help", "vlms list", "vlms list --json"])
def test_a_command_whose_reader_has_gone_says_nothing(arguments):
    command = f"{sys.executable} -c 'from arms.cli import main; main()' {arguments} data/vlms.yaml"
    done = subprocess.run(f"{command} | true", shell=True, capture_output=True, text=True, timeout=60)
    assert (done.stderr, done.stdout) == ("", "")


@pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full")
def test_a_command_whose_output_is_full_says_so():
    command = f"{sys.executable} -c 'from arms.cli import main; main()' vlms list data/vlms.yaml > /dev/full"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60)
    assert done.stderr == "Error: the output cannot be written: No space left on device\n"
    assert done.returncode == 1


def test_an_interrupted_command_ends_with_130():
    code = """
import signal, os
from click.testing import CliRunner
from arms.cli import main
import arms.cli.vlms as vlms, arms.data.profiles as profiles
def interrupt(path): raise KeyboardInterrupt
profiles.read_vlms = interrupt
main(["vlms", "list", "data/vlms.yaml"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (130, "interrupted; run the same again to go on\n")

"""A Python that has the heavy libraries at hand: what is run with it forks, instead of importing torch for seconds.

The commands of docs/ start some hundred processes. Each gets a fork of one server, in which all of this project's own
code is still to be imported, with the arguments, folder, environment and streams of the command. `write_commands`
makes the commands `python` and `arms` that ask for one.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

_LIBRARIES = (
    "PIL.Image", "click", "dvclive", "matplotlib.pyplot", "openpyxl", "pandas", "pyarrow.parquet", "pydantic",
    "ruamel.yaml", "safetensors.torch", "scipy.optimize", "scipy.special", "sklearn.linear_model", "sklearn.metrics",
    "sklearn.preprocessing", "tokenizers", "torch", "torch._dynamo", "tqdm", "zarr",
)  # fmt: skip
_CLIENT = """\
#!{python} -SE
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect({address!r})
    argv = [os.path.basename(sys.argv[0]), *sys.argv[1:]]
    request = json.dumps({{"argv": argv, "cwd": os.getcwd(), "env": dict(os.environ)}}).encode()
    socket.send_fds(connection, [len(request).to_bytes(8, "big")], [0, 1, 2])
    connection.sendall(request)
    sys.exit(int(connection.makefile().read() or 1))
"""


def write_commands(folder: Path, address: Path) -> None:
    """Write the commands into a folder that goes first on the path."""
    for name in ("python", "arms"):
        command = folder / name
        command.write_text(_CLIENT.format(python=sys.executable, address=str(address)))
        command.chmod(0o755)


def serve(address: str, guard: str) -> None:
    """Answer commands for ever.

    Parameters
    ----------
    address : str
        Where the socket is to be; it is there once the libraries are.
    guard : str
        The folder of `arms`, for its torchvision guard.
    """
    for library in _LIBRARIES:
        importlib.import_module(library)
    kept = runpy.run_path(f"{guard}/encoders/torchvision_guard.py")  # what it declares goes with it
    kept["import_torchvision"]()
    importlib.import_module("open_clip")
    transformers = importlib.import_module("transformers")
    for name in ("AutoConfig", "AutoModel", "AutoTokenizer", "DistilBertModel", "PreTrainedModel"):
        getattr(transformers, name)
    gc.collect()
    gc.freeze()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{address}.new")
        listener.listen()
        os.rename(f"{address}.new", address)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that answer
        while True:
            connection, _ = listener.accept()
            if not os.fork():
                listener.close()
                _answer(connection)
            connection.close()


def _answer(connection: socket.socket) -> None:
    """Run one command in another fork, and send its exit status."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    head, streams, _, _ = socket.recv_fds(connection, 8, 3)
    with connection.makefile("rb") as rest:
        request = json.loads(rest.read(int.from_bytes(head, "big")))
    if (child := os.fork()) == 0:
        connection.close()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        os._exit(_run(request))
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    connection.sendall(str(status if status >= 0 else 128 - status).encode())
    os._exit(0)


def _run(request: dict[str, Any]) -> int:
    """Do what Python does from its start to its end; the exit status."""
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    sys.path[:0] = [request["cwd"], *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    importlib.invalidate_caches()
    status = 0
    try:
        _call(request["argv"])
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)  # noqa: T201
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        status = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return status


def _call(argv: list[str]) -> None:
    """`arms ...`, `python -m module ...` or `python -c code ...`."""
    command, *arguments = argv
    if command == "arms":
        sys.argv = argv
        importlib.import_module("arms.cli").main()
    elif arguments[0] == "-m":
        sys.argv = arguments[1:]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    elif arguments[0] == "-c":
        sys.argv = ["-c", *arguments[2:]]
        exec(arguments[1], {"__name__": "__main__"})
    else:
        raise SystemExit(f"expected python -m or python -c, got {argv}")


if __name__ == "__main__":
    sys.path.pop(0)
    serve(*sys.argv[1:])

"""A stage in several processes: how they start, what each may say, and how they end."""

import logging
import os
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from arms.device import resolve_device
from arms.errors import INTERRUPTED, ArmsError
from arms.params.runtime import RuntimeParams, count_cores
from arms.training.distributed import joined
from stages.workspace import stage

_FIRST_SPEAKS_S = 20.0

logger = logging.getLogger("stages.processes")


def launched() -> bool:
    """Whether torchrun started this process, and others beside it."""
    return "TORCHELASTIC_RUN_ID" in os.environ and int(os.environ["WORLD_SIZE"]) > 1


def is_first() -> bool:
    """Whether this is the process that writes."""
    return not launched() or os.environ["RANK"] == "0"


def processes_here() -> int:
    """How many of the stage's processes share this machine."""
    return int(os.environ["LOCAL_WORLD_SIZE"]) if launched() else 1


def start_processes(num: int, module: str) -> None:
    """Start so many processes of a stage, as torchrun does, and end with them.

    It returns if one is enough, or if this is already one of several.

    Raises
    ------
    ArmsError
        If one of them was killed.
    """
    if num == 1 or "TORCHELASTIC_RUN_ID" in os.environ:
        return
    logger.info("starting %d processes", num)
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, count_cores() // num)))
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=num,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",  # any free port
        max_restarts=0,
    )
    try:
        elastic_launch(config, sys.executable)("-u", "-m", module)
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        if failure.exitcode < 0:  # by a signal, and so without a word
            raise ArmsError(
                f"process {rank + 1} of {num} was killed by signal {-failure.exitcode} (9 is also what a machine "
                "without free memory sends); run the same again to go on"
            ) from error
        sys.exit(failure.exitcode)
    except SignalException as error:
        sys.exit(128 + error.sigval)
    sys.exit(0)


@contextmanager
def training_together(runtime: RuntimeParams) -> Iterator[None]:
    """Inside the block the stage's processes train one net; in a single process it does nothing."""
    if not launched():
        yield
        return
    with joined(resolve_device(runtime.device), int(os.environ["LOCAL_RANK"])):
        yield


@contextmanager
def stage_of_processes(name: str) -> Iterator[None]:
    """As `stage`; of several processes the first one speaks, and of the others only errors that are their own."""
    if launched():
        _end_with_parent()
    if is_first():
        with stage(name):
            yield
        return
    with stage(f"{name}, process {int(os.environ['RANK']) + 1} of {os.environ['WORLD_SIZE']}", quiet=True):
        try:
            yield
        except KeyboardInterrupt:
            sys.exit(INTERRUPTED)
        except Exception:
            # What is wrong for all, such as a missing file, is said by the first one, whose end ends this process.
            time.sleep(_FIRST_SPEAKS_S)
            raise


def _end_with_parent() -> None:
    """End this process when torchrun is gone, killed say: nobody else would, and the next run would meet it."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()

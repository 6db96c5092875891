"""What the stages share: paths, settings, and how an error ends a stage."""

import logging
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import click

from arms.data.storage.urls import below, tidy_url
from arms.errors import INTERRUPTED, drop_output, ending_of
from arms.params.data import DataParams, read_data_params
from arms.params.encoders import EncodersParams, read_encoders_params
from arms.params.tree import Params, read_params, read_preset_params
from arms.progress import show_progress
from arms.terminal import ShownFormatter, shown

METRICS = Path("metrics")
PLOTS = Path("data/plots")
ROUTERS = Path("data/routers")
SCORES = Path("data/scores")
SNAPSHOTS = Path("data/snapshots")  # a killed training resumes from here; not a stage's out, as DVC deletes those first

logger = logging.getLogger("stages.workspace")


@dataclass(frozen=True)
class Workspace:
    """The settings of this run and the paths that follow from them."""

    params: Params
    data: DataParams
    encoders: EncodersParams
    features_root: Path = Path("data/features")

    @property
    def raw(self) -> Path:
        return Path("data/raw") / self.params.data

    @property
    def prepared(self) -> Path:
        return Path("data/prepared") / self.params.data

    @property
    def features_folder(self) -> Path:
        return self.features_root / self.params.data / self.params.encoders

    def features(self, modality: str) -> Path:
        return self.features_folder / f"{modality}.zarr"

    def features_url(self, modality: str) -> str | None:
        """Where the features are in an object store, if `runtime.features_url` names one."""
        url = self.params.runtime.features_url
        return url and below(tidy_url(url), self.params.data, self.params.encoders, f"{modality}.zarr")


def open_workspace(settings: Sequence[str] = ()) -> Workspace:
    """Read params.yaml and the conf/ files that it names.

    Parameters
    ----------
    settings : sequence of str
        Settings that win over the preset's, which win over those of params.yaml; see `arms.params.tree.read_params`.
    """
    params = read_params(assignments=settings)
    if won := sorted(key for key, value in read_preset_params(params.preset) if value):
        logger.info("conf/presets/%s.yaml wins over params.yaml in %s", params.preset, ", ".join(won))
    return Workspace(params, read_data_params(params.data), read_encoders_params(params.encoders))


@contextmanager
def stage(name: str, *, quiet: bool = False) -> Iterator[None]:
    """Set up the log and the progress bar; what `arms.errors` knows ends the stage with one message.

    With `quiet` only warnings and errors are said.
    """
    terminal = logging.StreamHandler(sys.stderr)
    terminal.setFormatter(ShownFormatter(f"{name}: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[terminal])
    for program in ("arms", "stages", "studies"):
        logging.getLogger(program).setLevel(logging.WARNING if quiet else logging.INFO)
    if name != "encode":  # which says which texts were cut; every other stage reads the profiles again
        logging.getLogger("arms.encoders.text").setLevel(logging.ERROR)
    if not quiet:
        show_progress()
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        # click makes an interrupt its own error.
        ending = ending_of(KeyboardInterrupt() if isinstance(error, click.Abort) else error)
        if ending is None:
            raise
        drop_output()
        with suppress(OSError):
            sys.stderr.write(f"{name}: {'' if ending.status == INTERRUPTED else 'error: '}{shown(ending.text)}\n")
        sys.exit(ending.status)


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._start = time.perf_counter()

    @property
    def elapsed_s(self) -> float:
        return time.perf_counter() - self._start

"""A clone of the project with a tiny sample and one epoch, its pipeline run once for all tests that need it."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import forking

ROOT = Path(__file__).resolve().parents[1]
SMALLER = {
    "conf/data/sample.yaml": {"images_per_benchmark: 1000": "images_per_benchmark: 24"},
    "params.yaml": {
        "epochs: 5 ": "epochs: 1 ",
        "    epochs: 4\n": "    epochs: 1\n",
        "min_steps: 100": "min_steps: 1",
        "samples: 2000": "samples: 100",
    },
}
RESULTS = ("metrics/", "studies/results/", "studies/figures/")
STUDIES = """\
seeds: [1, 2]
quick: false
tuned_encoders: tuned
studies:
  ablation: {full: "", concat: router.fusion=concat}
  tuning: {image-frozen: train.trains=text}
  data: {"50": train.data_share=0.5, "100": ""}
  epochs: {"1": epochs=1 train.keep=last}
routers:
  knn-image: {router: knn, features: image, num_neighbours: [4], weights: uniform, index: flat}
  frugal:
    router: frugal-gpt
    features: normalised
    length: 2
    budget: 1.0
    max_pool: 8
    num_thresholds: 3
    search_share: 0.2
    hidden_width: 8
    epochs: 1
    batch_size: 64
    learning_rate: 0.001
    weight_decay: 0.01
"""


class Project:
    """A folder with the project in it, and commands run there; those of `commands` come before all others."""

    def __init__(self, folder: Path, commands: Path | None = None) -> None:
        self.folder = folder
        self.commands = commands or Path(sys.executable).parent

    def run(self, *command: str, check: bool = True) -> str:
        """Run a command with this environment's python first on the path; its output, both streams."""
        process = self.start(*command)
        output, _ = process.communicate(timeout=600)
        assert not check or process.returncode == 0, f"{' '.join(command)}:\n{output}"
        return output

    def start(self, *command: str) -> subprocess.Popen[str]:
        """Start a command as `run` does; its output, both streams, comes through `stdout`."""
        environment = os.environ | {
            "PATH": os.pathsep.join(map(str, (self.commands, Path(sys.executable).parent, os.environ["PATH"]))),
            "PYTHONPATH": str(self.folder),
            "PYTHONDONTWRITEBYTECODE": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
        }
        return subprocess.Popen(
            command, cwd=self.folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def dvc(self, *arguments: str, check: bool = True) -> str:
        """Run dvc."""
        return self.run("dvc", *arguments, check=check)

    def commit(self, message: str) -> None:
        """Commit everything that Git does not ignore."""
        self.run("git", "add", "--all")
        self.run(
            "git", "-c", "user.name=test", "-c", "user.email=test@example.org", "commit", "--quiet", "-m", message
        )  # fmt: skip

    def metrics(self) -> dict[str, bytes]:
        """The metrics files by name."""
        return {file.name: file.read_bytes() for file in sorted((self.folder / "metrics").glob("*.json"))}

    def copy(self, folder: Path, commands: Path | None = None) -> "Project":
        """The project as it stands, in a folder of its own, for tests that change it."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Project(folder, commands)


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project, committed, after `dvc repro`."""
    folder = tmp_path_factory.mktemp("clone")
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split("\n")  # fmt: skip
    for name in filter(None, listed):
        if (ROOT / name).is_file() and not name.startswith(RESULTS) and not name.endswith("dvc.lock"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    for name, changes in SMALLER.items():
        text = (folder / name).read_text()
        for old, new in changes.items():
            assert old in text, f"{name} no longer holds {old!r}"
            text = text.replace(old, new)
        (folder / name).write_text(text)
    (folder / "studies" / "params.yaml").write_text(STUDIES)
    made = Project(folder)
    made.run("git", "init", "--quiet")
    made.commit("start")
    made.dvc("repro")
    made.commit("first run")
    return made


@pytest.fixture(scope="session")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with `python` and `arms`, which start at once, for tests of many commands; see `tests.forking`."""
    folder = tmp_path_factory.mktemp("commands")
    address = folder / "socket"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    server = subprocess.Popen([sys.executable, forking.__file__, address, ROOT / "arms"], env=environment)
    try:
        while not address.exists():
            assert server.poll() is None, "the server ended"
            time.sleep(0.05)
        forking.write_commands(folder, address)
        yield folder
    finally:
        server.terminate()
        server.wait()

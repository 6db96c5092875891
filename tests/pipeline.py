"""A clone of the project with a tiny sample and one epoch, its pipeline run once for all tests that need it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

ROOT = Path(__file__).resolve().parents[1]
SMALLER = {
    "conf/data/sample.yaml": {"images_per_benchmark: 1000": "images_per_benchmark: 24"},
    "params.yaml": {
        "epochs: 5 ": "epochs: 1 ",
        "    epochs: 4\n": "    epochs: 1\n",
        "min_steps: 100": "min_steps: 1",
        "samples: 2000": "samples: 100",
        "num_folds: 3 ": "num_folds: 2 ",
        "most_kinds: 6 ": "most_kinds: 3 ",
    },
}
RESULTS = ("metrics/", "studies/results/", "studies/figures/")
STUDIES = """\
seeds: [1, 2]
fewer_seeds: {frugal: 1}
quick: false
tuned_encoders: tuned
unseen: {by: [task, benchmark], least_queries: 8, seeds: [1], routers: [arms, plain, knn, knn-image]}
curve: {shares: [0.3, 0.6, 1.0], draws: 1, routers: [arms, knn]}
encoder_pairs:
  {pairs: [bundled, natural], folds: 2, seeds: [1], settings: safe.most_kinds=0 safe.num_folds=0, timed: 8}
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
    """A folder with the project in it, and commands run there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, *command: str, check: bool = True) -> str:
        """Run a command with this environment's python first on the path; its output, both streams."""
        process = self.start(*command)
        output, _ = process.communicate(timeout=600)
        assert not check or process.returncode == 0, f"{' '.join(command)}:\n{output}"
        return output

    def start(self, *command: str) -> subprocess.Popen[str]:
        """Start a command as `run` does; its output, both streams, comes through `stdout`."""
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def environment(self) -> dict[str, str]:
        """The variables that its commands see."""
        return os.environ | {
            "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
            "PYTHONPATH": str(self.folder),
            "PYTHONDONTWRITEBYTECODE": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
        }

    def dvc(self, *arguments: str, check: bool = True) -> str:
        """Run dvc."""
        return self.run("dvc", *arguments, check=check)

    def commit(self, message: str) -> None:
        """Commit everything that Git does not ignore."""
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "-m", message)

    def metrics(self) -> dict[str, bytes]:
        """The metrics files by name."""
        return {file.name: file.read_bytes() for file in sorted((self.folder / "metrics").glob("*.json"))}

    def copy(self, folder: Path) -> "Project":
        """The project as it is, in a folder of its own, for tests that change it."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Project(folder)


@pytest.fixture(scope="session")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project, committed, after `dvc repro`; made once, by the first process that asks for it."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    made = Project(shared / "first-run")
    with FileLock(shared / "first-run.lock"):
        if not made.folder.exists():
            draft = Project(shared / "first-run-draft")
            write_project(draft.folder)
            run_pipeline(draft)
            draft.folder.rename(made.folder)
    return made


@pytest.fixture(scope="module")
def project(first_run: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy of the project after `dvc repro`, for the tests of one file."""
    return first_run.copy(tmp_path_factory.mktemp("clone") / "project")


def write_project(folder: Path) -> None:
    """Copy all that Git does not ignore, but for results, and make it small."""
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


def run_pipeline(project: Project) -> None:
    """Run the pipeline in a repository of its own."""
    start_repository(project)
    project.dvc("repro")
    project.commit("first run")


def start_repository(project: Project) -> None:
    """Commit the project to a repository with a name and an email, as Git and `dvc exp run` want them."""
    project.run("git", "init", "--quiet")
    project.run("git", "config", "user.name", "test")
    project.run("git", "config", "user.email", "test@example.org")
    project.commit("start")

"""A stage in several processes: real ones, started as torchrun starts them."""

import logging
import os
import signal
import time

import pytest

from arms.errors import ArmsError
from stages import processes
from stages.processes import is_first, launched, processes_here, stage_of_processes, start_processes
from tests.pipeline import Project, start_repository, write_project

NUMBERS = {"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2", "RANK": "2"}


@pytest.fixture
def third_of_four(monkeypatch):
    """This process as the third of four that torchrun started, two of them here."""
    for name, value in NUMBERS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(processes, "_FIRST_SPEAKS_S", 0.0)
    for name in ("arms", "stages", "studies", "arms.encoders.text"):
        monkeypatch.setattr(logging.getLogger(name), "level", logging.NOTSET)


def test_one_process():
    assert not launched()
    assert is_first()
    assert processes_here() == 1
    start_processes(1, "nothing.of.this.name")


def test_one_of_several(third_of_four):
    assert launched()
    assert not is_first()
    assert processes_here() == 2
    start_processes(8, "nothing.of.this.name")


def test_only_the_errors_of_further_processes_are_seen(third_of_four, capsys):
    with stage_of_processes("train"):
        assert not logging.getLogger("stages.train").isEnabledFor(logging.INFO)
        assert logging.getLogger("stages.train").isEnabledFor(logging.WARNING)
    with pytest.raises(SystemExit, match="1"), stage_of_processes("train"):
        raise ArmsError("too few of them")
    assert capsys.readouterr().err == "train, process 3 of 4: error: too few of them\n"
    with pytest.raises(SystemExit, match="130"), stage_of_processes("train"):
        raise KeyboardInterrupt
    assert capsys.readouterr().err == ""


class TestStarting:
    @pytest.fixture(autouse=True)
    def script(self, tmp_path, monkeypatch):
        """A module that says its number, and does as the first process what the test wants."""
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("OMP_NUM_THREADS", "1")
        monkeypatch.setenv("TORCHELASTIC_SIGNALS_TO_HANDLE", "SIGTERM,SIGINT,SIGHUP,SIGQUIT")

        def write(deed):
            (tmp_path / "made_up.py").write_text(
                f"import os, sys\nrank = os.environ['RANK']\nopen(rank, 'w').close()\nif rank == '0':\n    {deed}\n"
            )

        return write

    def test_all_run(self, script, tmp_path):
        script("pass")
        with pytest.raises(SystemExit) as ended:
            start_processes(3, "made_up")
        assert ended.value.code == 0
        assert sorted(path.name for path in tmp_path.glob("?")) == ["0", "1", "2"]

    def test_the_status_of_the_one_that_failed(self, script):
        script("sys.exit(3)")
        with pytest.raises(SystemExit) as ended:
            start_processes(2, "made_up")
        assert ended.value.code == 3

    def test_one_that_was_killed(self, script):
        script("os.kill(os.getpid(), 9)")
        with pytest.raises(ArmsError, match=r"process 1 of 2 was killed by signal 9 .*; run the same again to go on"):
            start_processes(2, "made_up")


def outputs(project):
    """The bytes of all that the stage writes, but for its curves, which hold times."""
    folders = ("data/routers/phi", "data/scores/plain")
    return {
        path.relative_to(project.folder): path.read_bytes()
        for folder in folders
        for path in sorted((project.folder / folder).rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A small project with four epochs by two processes, after `dvc repro train`, and what that said."""
    project = Project(tmp_path_factory.mktemp("clone") / "project")
    write_project(project.folder)
    file = project.folder / "params.yaml"
    text = file.read_text().replace("epochs: 1 ", "epochs: 4 ", 1).replace("processes: 1 ", "processes: 2 ")
    file.write_text(text)
    start_repository(project)
    return project, project.dvc("repro", "train")


@pytest.fixture
def two(made):
    return made[0]


@pytest.mark.clone
class TestTraining:
    def test_dvc_runs_it(self, made):
        project, said = made
        assert "train: starting 2 processes" in said
        assert said.count("trained Phi for 4 epochs") == 1
        assert not list((project.folder / "data/snapshots").glob("*")), "nothing is left to go on with"

    @pytest.mark.parametrize("killed", ["the launcher", "a process", "all"])
    def test_after_a_kill_it_ends_with_the_same_bytes(self, two, killed):
        expected = outputs(two)
        running = two.start("python", "-m", "stages.train")
        for line in running.stdout:
            if "epoch 1:" in line:
                break
        ranks = [int(pid) for pid in two.run("pgrep", "-P", str(running.pid)).split()]
        assert len(ranks) == 2
        for pid in {"the launcher": [running.pid], "a process": ranks[1:], "all": [running.pid, *ranks]}[killed]:
            os.kill(pid, signal.SIGKILL)
        said = running.communicate()[0]
        assert ("was killed by signal 9" in said) == (killed == "a process")
        wait_for_the_end_of(ranks)
        said = two.run("python", "-m", "stages.train")
        assert "going on after epoch" in said
        assert outputs(two) == expected

    def test_what_is_wrong_is_said_once(self, two):
        (two.folder / "data/prepared").rename(two.folder / "data/elsewhere")
        said = two.run("torchrun", "--standalone", "--nproc-per-node=2", "-m", "stages.train", check=False)
        assert said.count("train: error: ") == 1
        assert "process 2 of 2: error" not in said


def wait_for_the_end_of(pids):
    for _ in range(100):
        if not any(os.path.exists(f"/proc/{pid}") for pid in pids):
            return
        time.sleep(0.1)
    pytest.fail("a process goes on without its launcher")

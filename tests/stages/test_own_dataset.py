"""A dataset of one's own under DVC: then colleagues and experiments in copies of the project have it too."""

import shutil

import pytest
from dvc.repo import Repo

from tests.pipeline import ROOT

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")  # of what DVC uses


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """Git and DVC in an empty folder, with what the project lets Git ignore."""
    from dulwich.repo import Repo as Git

    Git.init(str(tmp_path))
    shutil.copy(ROOT / ".gitignore", tmp_path)
    monkeypatch.chdir(tmp_path)
    with Repo.init() as repo:
        yield repo


def test_dvc_finds_it_again(repository, tmp_path):
    """DVC leaves out folders that Git ignores when it looks for what is under it, as `dvc pull` and --temp do."""
    (tmp_path / "data/raw/mine").mkdir(parents=True)
    (tmp_path / "data/raw/mine/queries.parquet").write_text("queries")
    repository.add("data/raw/mine")
    with Repo() as repo:
        assert [stage.path_in_repo for stage in repo.index.stages] == ["data/raw/mine.dvc"]


def test_git_keeps_the_file_that_stands_for_it(repository):
    ignored = repository.scm.is_ignored
    assert not any(ignored(path) for path in ("data/raw/mine.dvc", "data/vlms.yaml", "data/README.md"))
    assert all(ignored(path) for path in ("data/raw/mine", "data/raw/sample/vlms.yaml", "data/scores", "data/x.json"))

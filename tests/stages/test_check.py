"""The stage that looks at the settings before DVC looks for what they name."""

import json
import shutil

import pytest

from arms.errors import ArmsError
from stages.check import main
from tests.pipeline import ROOT


@pytest.fixture
def project(tmp_path, monkeypatch):
    """The settings in a folder of their own, the working directory."""
    shutil.copytree(ROOT / "conf", tmp_path / "conf")
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def name_in(project, key, value):
    text = (project / "params.yaml").read_text().splitlines(keepends=True)
    lines = [f"{key}: {value}\n" if line.startswith(f"{key}:") else line for line in text]
    (project / "params.yaml").write_text("".join(lines))


def test_the_sample_need_not_be_drawn_yet(project):
    main()
    assert json.loads((project / "data/checked.json").read_text()) == {"data": "sample"}


def test_a_dataset_that_is_there(project):
    name_in(project, "data", "blindtest")
    (project / "data/raw/blindtest").mkdir(parents=True)
    main()
    assert json.loads((project / "data/checked.json").read_text()) == {"data": "blindtest"}


@pytest.mark.parametrize("key", ["data", "encoders", "preset"])
def test_no_such_settings(project, key):
    name_in(project, key, "nope")
    with pytest.raises(ArmsError) as caught:
        main()
    message, advice = str(caught.value).split("\n")
    assert "nope.yaml: no such settings file; known here: " in message
    assert advice == "params.yaml keeps what `-S` wrote into it: change it back there, or by -S"
    assert not (project / "data/checked.json").exists()


def test_no_such_folder(project):
    name_in(project, "data", "blindtest")
    expected = "data/raw/blindtest: expected the dataset that params.yaml names, data: blindtest, got no such folder"
    with pytest.raises(ArmsError, match=f"{expected}; run: arms import --help, with --name blindtest"):
        main()
    (project / "data/raw").mkdir(parents=True)
    (project / "data/raw/blindtest.dvc").write_text("outs: []\n")
    with pytest.raises(ArmsError, match=f"{expected}; run: dvc pull data/raw/blindtest.dvc"):
        main()

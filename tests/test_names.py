"""Names that become files: what is refused, wherever they come from."""

import shutil
import subprocess

import pytest
from dvc.utils.hydra import apply_overrides
from ruamel.yaml import YAML

from arms.cli.import_ import _run_command
from arms.errors import ArmsError
from arms.names import PIPELINE_DATASETS, PIPELINE_ROUTERS, name_problem
from arms.params.data import read_data_params
from arms.params.encoders import read_encoders_params
from arms.params.tree import read_params
from tests.pipeline import ROOT

BAD = [
    "", ".", "..", "a/b", "../../../esc", "/abs", "a\\b", "C:x", ".hidden", "-rf", "_x", "a b", "a\nb", "a\0b",
    "\x1b[31m", "~x", "a*", "n" * 101, "é" * 51, "\udcfc",
]  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_refused(name):
    assert name_problem(name).startswith("expected a name of ")


@pytest.mark.parametrize("name", ["mine", "knn-8", "a.b", "2024-05", "123", "Grün", "数据", "v1_2", "n" * 100])
def test_allowed(name):
    assert name_problem(name) == ""


def test_what_the_pipeline_writes_is_its_own():
    for name in (
        "arms",
        "ARMS",
        "plain",
        "incremental",
        "independent",
        "oracle",
        "best-possible",
        "vlms",
        "summary",
        "sha256",
    ):
        assert f"expected another name than {name!r}" in name_problem(name, PIPELINE_ROUTERS)
    assert "'sample', which is the pipeline's own" in name_problem("sample", PIPELINE_DATASETS)


@pytest.fixture
def project(tmp_path, monkeypatch):
    shutil.copytree(ROOT / "conf", tmp_path / "conf")
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def change(project, **values):
    yaml, file = YAML(), project / "params.yaml"
    content = yaml.load(file)
    yaml.dump(content | values, file)


@pytest.mark.parametrize("name", ["../../../esc", "a/b", "arms", "Oracle", ".x", "-x"])
def test_baselines_are_checked_when_settings_are_read(project, name):
    change(project, baselines={name: {"router": "best-single"}})
    with pytest.raises(ArmsError, match=r"params\.yaml\.baselines: expected (a name of|another name)"):
        read_params()


@pytest.mark.parametrize("setting", ["data", "encoders", "preset"])
@pytest.mark.parametrize("name", ["../x", "a/b", "-x"])
def test_other_settings_that_name_files(project, setting, name):
    change(project, **{setting: name})
    with pytest.raises(ArmsError, match=rf"params\.yaml\.{setting}: expected a name of letters"):
        read_params()
    change(project, **{setting: "mine"})
    with pytest.raises(
        ArmsError, match=rf"params\.yaml\.{setting}: expected a name of|conf/presets: expected a name of"
    ):
        read_params(assignments=[f"{setting}={name}"])


def test_files_of_settings_are_only_read_in_their_folder(project):
    for read, kind in ((read_data_params, "data"), (read_encoders_params, "encoders")):
        with pytest.raises(ArmsError, match=f"conf/{kind}: expected a name of letters"):
            read("../../params")


@pytest.mark.parametrize(
    "name", ["mine", "a.b", "a-1", "123", "1e5", "1_000", "2024-05", "Grün", "true", "null", "inf", "数据"]
)
def test_the_command_that_import_prints_names_the_dataset(tmp_path, name):
    """The shell and DVC read it back as the same text."""
    file = tmp_path / "params.yaml"
    file.write_text("data: sample\nepochs: 3\n")
    command = _run_command(name)
    words = subprocess.run(
        ["sh", "-c", f"printf '%s\\n' {command}"], capture_output=True, text=True
    ).stdout.splitlines()
    assert words[:4] == ["dvc", "exp", "run", "-S"]
    apply_overrides(file, words[4:])
    assert YAML(typ="safe", pure=True).load(file) == {"data": name, "epochs": 3}
    assert ("'" in command) == (name not in ("mine", "a.b", "a-1"))

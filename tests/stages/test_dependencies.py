"""Every stage lists what its code imports, folder by folder, and nothing more."""

import re

import pytest
from ruamel.yaml import YAML

from tests.imports import TOPS, SourceTree
from tests.pipeline import ROOT

# What stages import but do not list: these only report or refuse, so an edit there changes no result.
REPORTING = frozenset({"arms", "arms.errors", "arms.names", "arms.progress", "arms.terminal", "stages", "studies"})
TREE = SourceTree(ROOT)


def read_stages(file):
    """The stages of a dvc.yaml by name: the module that each runs, and the code that it lists, from the root."""
    stages = {}
    for name, stage in YAML(typ="safe").load(file)["stages"].items():
        stage = stage.get("do", stage)
        (module,) = set(re.findall(r"python -m (\S+)", str(stage["cmd"])))
        folder = file.parent / stage.get("wdir", ".")
        listed = {(folder / dep).resolve().relative_to(ROOT).as_posix() for dep in stage["deps"]}
        stages[name] = module, {dep for dep in listed if is_code(dep)}
    return stages


def is_code(dependency):
    top, rest = dependency.partition("/")[::2]
    return top in TOPS and (rest.endswith(".py") or top == "arms")


def rooms_reached(tree, module):
    return {tree.room_of(name) for name in tree.closure(module, without=REPORTING)}


STAGES = {
    f"{file}: {name}": stage
    for file in ("dvc.yaml", "studies/dvc.yaml", "production/dvc.yaml")
    for name, stage in read_stages(ROOT / file).items()
}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_lists_what_its_code_imports(stage):
    module, listed = STAGES[stage]
    needed = rooms_reached(TREE, module)
    if needed != listed:
        missing, unused = (", ".join(sorted(deps)) or "nothing" for deps in (needed - listed, listed - needed))
        pytest.fail(f"{stage}\n  missing in its deps:  {missing}\n  listed for no use:    {unused}", pytrace=False)


def test_every_file_of_code_that_is_listed_is_there():
    for stage, (_, listed) in STAGES.items():
        assert all((ROOT / dep).exists() for dep in listed), stage


@pytest.fixture
def made_up(tmp_path):
    """A small project with each way to import: at the top, in a function, for types, by a registry."""
    files = {
        "arms/__init__.py": "def later():\n    from arms.far import away\n",
        "arms/errors.py": "",
        "arms/params.py": "from arms.errors import ArmsError\n",
        "arms/data/__init__.py": "",
        "arms/data/tables.py": "import numpy\nfrom arms.params import read\n",
        "arms/nn/__init__.py": "import arms.nn.gate\n",
        "arms/nn/gate.py": "",
        "arms/nn/net.py": "",
        "arms/routers/__init__.py": "",
        "arms/routers/base.py": 'KINDS = {"arms": "arms.routers.arms:ArmsRouter", "logger": "arms.far"}\n',
        "arms/routers/arms.py": "from arms.nn import net\nfrom arms.routers import base\n",
        "arms/far/away.py": "",
        "stages/__init__.py": "",
        "stages/train.py": "import sys\ndef main():\n    from arms.routers.base import KINDS\n",
        "stages/prepare.py": """\
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from arms.far.away import Type
else:
    import arms.data.tables
""",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_imports_in_functions_count_and_those_for_types_do_not(made_up):
    tree = SourceTree(made_up)
    assert tree.imports_of("stages.train") == {"arms.routers.base"}
    assert tree.imports_of("stages.prepare") == {"arms.data.tables"}
    assert tree.imports_of("arms.routers.arms") == {"arms.nn.net", "arms.routers.base"}


def test_rooms_come_with_registries_and_packages(made_up):
    tree = SourceTree(made_up)
    assert rooms_reached(tree, "stages.prepare") == {"stages/prepare.py", "arms/data", "arms/params.py"}
    assert rooms_reached(tree, "stages.train") == {"stages/train.py", "arms/routers", "arms/nn"}
    assert "arms.nn.gate" in tree.closure("stages.train"), "by the __init__.py around net.py"


def test_what_only_reports_is_not_followed(made_up):
    tree = SourceTree(made_up)
    assert "arms.far.away" in tree.closure("stages.prepare")
    assert "arms.far.away" not in tree.closure("stages.prepare", without=REPORTING)


def test_circles_are_found(made_up):
    assert SourceTree(made_up).circles() == []
    (made_up / "arms/nn/gate.py").write_text("def later():\n    from arms.routers.arms import ArmsRouter\n")
    (made_up / "arms/nn/net.py").write_text("import arms.nn.gate\n")
    assert SourceTree(made_up).circles() == [["arms.nn.gate", "arms.nn.net", "arms.routers.arms"]]

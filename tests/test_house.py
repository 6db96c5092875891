"""The rooms of the house: what is loose in arms/, and who may import whom."""

import tomllib

import pytest

from arms.baselines.registry import ROUTERS
from arms.cli.base import PIPELINE
from arms.routers.saved import SAVED_ROUTERS
from tests.imports import SourceTree
from tests.pipeline import ROOT

LOOSE = {f"arms/{name}.py" for name in "__init__ device errors names params progress terminal".split()}
# A room imports only from groups further down; rooms of one group leave each other alone.
GROUPS = (
    ("studies",),
    ("stages", "arms/cli"),
    ("arms/serve",),
    ("arms/__init__.py",),  # offers Router under a short name
    ("arms/extension", "arms/reports", "arms/doctor", "arms/integrations", "arms/replay"),
    ("arms/safe",),
    ("arms/baselines",),
    ("arms/routers", "arms/evaluation"),
    ("arms/training",),
    ("arms/selection", "arms/nn", "arms/features"),
    ("arms/encoders", "arms/importers", "arms/sample"),
    ("arms/catalogue",),
    ("arms/data", "arms/traffic"),
    ("arms/params", "arms/progress.py", "arms/device.py"),
    ("arms/errors.py", "arms/names.py", "arms/terminal.py"),
)
# What works without the extra `pipeline`.
LIGHT = (
    "arms.cli",
    "arms.importers.run",
    "arms.integrations.litellm",
    "arms.replay.estimate",
    "arms.routers.router",
    "arms.serve.app",
    "arms.serve.memory.opening",
    "arms.serve.running",
)
TREE = SourceTree(ROOT)


def room_of(module):
    room = TREE.room_of(module)
    return room if room.startswith("arms/") else room.partition("/")[0]


def test_no_imports_run_in_a_circle():
    assert TREE.circles() == []


def test_imports_run_one_way():
    depth = {room: number for number, group in enumerate(GROUPS) for room in group}
    wrong = [
        f"{TREE.files[module]} imports {imported}: {room_of(module)} is not above {room_of(imported)}"
        for module in TREE.files
        for imported in sorted(TREE.imports_of(module))
        if room_of(module) != room_of(imported) and depth[room_of(module)] >= depth[room_of(imported)]
    ]
    if wrong:
        pytest.fail("\n".join(wrong), pytrace=False)


def test_what_routes_and_serves_needs_nothing_of_the_pipeline():
    """So that `pip install 'arms[serve]'` has all that it takes; tests/serve/test_light_install.py tries it."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    pipeline = {name.replace("-", "_") for name in extras["pipeline"]}
    assert set(PIPELINE) == pipeline
    assert "pipeline" in extras["dev"][0], "who works on the project has all of it"
    routers = {target.partition(":")[0] for target in (*SAVED_ROUTERS.values(), *ROUTERS.values())}
    needed = TREE.others_at_import(*LIGHT, *routers)
    assert {name: by for name, by in needed.items() if name in pipeline} == {}


def test_every_room_has_its_place():
    assert {room_of(module) for module in TREE.files} == {room for group in GROUPS for room in group}


def test_few_files_are_loose():
    assert {room for room in map(room_of, TREE.files) if room.endswith(".py")} <= LOOSE

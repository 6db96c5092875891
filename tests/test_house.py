"""The rooms of the house: what is loose in arms/, and who may import whom."""

import pytest

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
    ("arms/params.py", "arms/progress.py", "arms/device.py"),
    ("arms/errors.py", "arms/names.py", "arms/terminal.py"),
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


def test_every_room_has_its_place():
    assert {room_of(module) for module in TREE.files} == {room for group in GROUPS for room in group}


def test_few_files_are_loose():
    assert {room for room in map(room_of, TREE.files) if room.endswith(".py")} <= LOOSE

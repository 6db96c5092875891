"""The guard, each time in a process of its own, against stand-ins for torchvision and against the installed one."""

import subprocess
import sys

import pytest

from arms.encoders import torchvision_guard

REGISTERS = """
import torch
{defines}
@torch.library.register_fake("torchvision::nms")
def fake(dets, scores, iou_threshold):
    return dets
"""
DEFINES = """
library = torch.library.Library("torchvision", "DEF")
library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
"""


def run(code, *path):
    """What a fresh process prints, with folders put before all others on its path."""
    lines = [f"import sys; sys.path[:0] = {[str(folder) for folder in path]!r}", code]
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def stand_in(tmp_path):
    """Makes a package named torchvision with this code in it."""

    def make(code):
        (tmp_path / "torchvision").mkdir()
        (tmp_path / "torchvision/__init__.py").write_text("import torchvision.transforms\n" + code)
        (tmp_path / "torchvision/transforms.py").write_text("")
        return tmp_path

    return make


GUARDED = """
from arms.encoders.torchvision_guard import _declared, import_torchvision, is_stood_in_for
import_torchvision(); import_torchvision()
import torchvision.transforms
assert is_stood_in_for() == bool(_declared)
print(len(_declared))
"""


def test_the_installed_torchvision():
    code = "from torchvision.transforms import Compose, Resize; import open_clip; print(Resize(4).size)"
    assert run("from arms.encoders.torchvision_guard import import_torchvision; import_torchvision()\n" + code) == "4"


def test_a_library_that_cannot_load_is_stood_in_for_once(stand_in):
    assert run(GUARDED, stand_in(REGISTERS.format(defines=""))) == "1"


def test_a_library_that_loads_is_left_alone(stand_in):
    assert run(GUARDED, stand_in(REGISTERS.format(defines=DEFINES))) == "0"


def test_another_failure_is_not_hidden(monkeypatch):
    def fail(name):
        raise RuntimeError(f"{name} is broken")

    monkeypatch.setattr(torchvision_guard.importlib, "import_module", fail)
    with pytest.raises(RuntimeError, match="torchvision is broken"):
        torchvision_guard.import_torchvision()

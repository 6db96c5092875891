from pathlib import Path

import pytest

from arms.catalogue.edit import add_profile
from arms.catalogue.match import CATALOGUE
from arms.data.profiles import VlmProfile, read_vlms
from arms.errors import ArmsError

ROOT = Path(__file__).resolve().parents[2]
NOVA = VlmProfile(name="nova: 1", access="paid", price_in=0.8, provider="Ünï", released="2024-05-13")
ADDED = """\
- name: 'nova: 1'
  provider: Ünï
  params_b: null
  architecture: null
  language_model: null
  vision_model: null
  access: paid
  price_in: 0.8
  price_out: null
  released: '2024-05-13'
"""
FILE = """\
# All of them.
---
- access: free   # weights at hand
  name: "tern"
  # by hand:
  params_b: 7.10

# Paid.
- {name: wren, access: paid, price_in: 3.50}
- name: lark
  released: 2024-05-13
  provider:
  access: paid  # for now

# The end.
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "vlms.yaml"
    path.write_text(FILE)
    return path


def test_a_new_one_comes_last(file):
    before = read_vlms(file)
    assert add_profile(NOVA, file) is False
    assert file.read_text() == FILE.replace("  provider:\n", "  provider: null\n") + ADDED
    assert read_vlms(file) == (*before, NOVA)


@pytest.mark.parametrize("layout", ["  - name: tern\n    access: free\n", "-   name: tern\n    access: free\n"])
def test_the_layout_is_the_files(tmp_path, layout):
    path = tmp_path / "vlms.yaml"
    path.write_text(layout)
    add_profile(VlmProfile(name="x", access="free"), path)
    lines = path.read_text().splitlines()
    assert "\n".join(lines[:2]) + "\n" == layout
    assert lines[2] == lines[0].replace("tern", "x")
    assert len(lines[3]) - len(lines[3].lstrip()) == len(lines[1]) - len(lines[1].lstrip())


@pytest.mark.parametrize(
    "text", ["[{name: a, access: free}]", "-\n  name: a\n  access: free", "- name: a\n  access: free\n..."]
)
def test_any_yaml_list(tmp_path, text):
    path = tmp_path / "vlms.yaml"
    path.write_text(text)
    add_profile(NOVA, path)
    assert read_vlms(path) == (VlmProfile(name="a", access="free"), NOVA)


def test_the_catalogue_keeps_every_line(tmp_path):
    path = tmp_path / "vlms.yaml"
    text = (ROOT / CATALOGUE).read_text()
    path.write_text(text)
    add_profile(NOVA, path)
    assert path.read_text() == text + ADDED


def test_a_file_that_is_not_there(tmp_path):
    assert add_profile(NOVA, tmp_path / "new/vlms.yaml") is False
    assert read_vlms(tmp_path / "new/vlms.yaml") == (NOVA,)


def test_replacing(file):
    others = read_vlms(file)
    tern = VlmProfile(name="tern", access="paid", price_out=5)
    assert add_profile(tern, file, replace=True) is True
    assert read_vlms(file) == (tern, *others[1:])
    assert (
        file.read_text().partition("# Paid.")[0]
        == """\
# All of them.
---
- access: paid   # weights at hand
  name: "tern"
  # by hand:
  price_out: 5.0
  params_b: null

"""
    )
    lark = VlmProfile(name="lark", access="free", provider="Acme", released="2025")
    add_profile(lark, file, replace=True)
    assert read_vlms(file) == (tern, others[1], lark)
    assert file.read_text().endswith("""\
- name: lark
  released: '2025'
  provider: Acme
  access: free  # for now

# The end.
""")


def test_what_is_there_is_not_replaced_unasked(file):
    with pytest.raises(ArmsError, match=r"vlms\.yaml: expected a new VLM, got 'wren', which is there"):
        add_profile(VlmProfile(name="wren", access="free"), file)
    assert file.read_text() == FILE


def test_a_file_that_is_no_list_of_profiles(file):
    file.write_text("- name: x\n")
    with pytest.raises(ArmsError, match=r"entry 1 \(x\): key 'access' is missing"):
        add_profile(NOVA, file)
    assert file.read_text() == "- name: x\n"


def test_entries_that_hang_together(tmp_path):
    path = tmp_path / "vlms.yaml"
    text = "- &a\n  name: a\n  access: free\n  params_b: 7\n- <<: *a\n  name: b\n"
    path.write_text(text)
    assert [vlm.params_b for vlm in read_vlms(path)] == [7, 7]
    add_profile(NOVA, path)
    assert "*a" in path.read_text()
    with pytest.raises(ArmsError, match="entries that stand for themselves"):
        add_profile(VlmProfile(name="a", access="free", params_b=8), path, replace=True)
    assert [vlm.params_b for vlm in read_vlms(path)] == [7, 7, None]
    assert [entry.name for entry in tmp_path.iterdir()] == ["vlms.yaml"]

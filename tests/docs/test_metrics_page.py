"""docs/metrics.md defines every key that `evaluate` writes, and no other."""

import json
import re

import pytest

from tests.pipeline import ROOT

pytestmark = pytest.mark.clone
PAGE = (ROOT / "docs/metrics.md").read_text(encoding="utf-8")
NESTED = {"vlms": 3, "leaderboard": 3}  # levels above the keys: split, pool and VLM or router
OTHER = {*NESTED, "summary", "sha256"}  # than the files of routers


def defined(heading):
    """The keys in the first column of the table under a heading."""
    (section,) = [part for part in PAGE.split("\n## ") if part.startswith(heading)]
    cells = re.findall(r"^\| (`.*?) \|", section, flags=re.MULTILINE)
    keys = [key for cell in cells for key in re.findall(r"`(\w+)`", cell)]
    return keys


def keys_below(content, levels):
    if not levels:
        return set(content)
    return {key for part in content.values() for key in keys_below(part, levels - 1)}


@pytest.fixture(scope="module")
def written(project):
    return {name.removesuffix(".json"): json.loads(content) for name, content in project.metrics().items()}


def test_the_metrics_of_routers(written):
    found = {key for name, content in written.items() if name not in OTHER for key in keys_below(content, 2)}
    assert sorted(defined("Of each router")) == sorted(found)


@pytest.mark.parametrize(("name", "heading"), [("vlms", "Of each VLM"), ("leaderboard", "All routers side by side")])
def test_the_other_files(written, name, heading):
    assert sorted(defined(heading)) == sorted(keys_below(written[name], 3))


def test_the_summary_is_of_arms(written):
    summary = written["summary"]
    assert summary.pop("data") == "sample"
    assert sum(len(values) for pools in summary.values() for values in pools.values()) == 10
    for split, pools in summary.items():
        for pool, values in pools.items():
            assert values.items() <= written["arms"][split][pool].items()


def test_what_lies_beside_the_plots(project):
    found = set()
    for file in (project.folder / "data/plots/evaluate").glob("*.json"):
        content = json.loads(file.read_text())
        found |= keys_below(content, 4) if isinstance(content, dict) else {key for record in content for key in record}
    assert set(defined("Beside the plots")) == found


def test_the_keys_that_one_file_alone_has(written):
    for name, keys in (("arms", {"over_knn"}), ("incremental", {"over_phi"})):
        has = {other for other, content in written.items() if other not in OTHER and keys <= keys_below(content, 2)}
        assert has == {name}
    assert "over_phi" not in written["incremental"]["id"]["extended"]

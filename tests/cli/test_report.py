import json

import pytest

from tests.cli.helpers import check_failed, run, run_json
from tests.pipeline import ROOT

METRICS = {"id": {"base": {"em": 0.75, "em_low": 0.7, "em_high": 0.8, "queries": 40}}}


@pytest.fixture
def metrics(tmp_path, monkeypatch):
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics/arms.json").write_text(json.dumps(METRICS))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "metrics"


def test_json(metrics):
    assert run_json("report") == {"arms": METRICS}
    assert run_json("report", "--metrics", metrics) == {"arms": METRICS}


def test_the_page_is_no_json(metrics):
    result = run("report", "--json", "--out", "page.md")
    assert result.exit_code == 2
    assert "expected --json or --out, got both" in result.stderr
    assert not (metrics.parent / "page.md").exists()


def test_no_report(tmp_path):
    check_failed(run("report", "--metrics", tmp_path), "expected metrics files, found none; run: dvc repro")


def test_pages(tmp_path, monkeypatch):
    (tmp_path / "studies").symlink_to(ROOT / "studies")
    (tmp_path / "conf").symlink_to(ROOT / "conf")
    (tmp_path / "benchmarks/results").mkdir(parents=True)
    for name in ("one", "one-quick"):
        (tmp_path / f"benchmarks/results/{name}.md").write_text(f"## {name}\n")
    monkeypatch.chdir(tmp_path)
    result = run("report", "--out", "pages/all.md")
    assert result.exit_code == 0, result.output
    written = {path.relative_to(tmp_path / "pages").as_posix() for path in (tmp_path / "pages").rglob("*.*")}
    datasets = {file.parent.name for file in (ROOT / "studies/results").glob("*/summary.json")}
    assert written == {"all.md", "figures/em.png", "all/benchmarks.md", *(f"all/{name}.md" for name in datasets)}
    page = (tmp_path / "pages/all/sample.md").read_text()
    assert "[all results](../all.md)" in page
    assert "(../../studies/figures/sample/em.png)" in page
    assert "one-quick" not in (tmp_path / "pages/all/benchmarks.md").read_text()

import json

import pytest

from tests.cli.helpers import check_failed, run, run_json

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

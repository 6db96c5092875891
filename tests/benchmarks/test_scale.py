"""The benchmark of large tables: its dataset, its slopes, and a small run of the whole."""

import json
import subprocess
import sys

import pytest

from arms.data.tables import read_dataset
from arms.data.validation import validate
from benchmarks.scale import WRITES
from benchmarks.scale_parts.dataset import NAMES, RAW, write_project
from benchmarks.scale_parts.page import scale_page, slope
from tests.pipeline import ROOT


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scale")
    write_project(folder, 1000)
    return folder


def test_the_dataset_has_what_it_says(project):
    validated = validate(read_dataset(project / RAW), thumbnail_side=32)
    queries, outcomes = validated.dataset.queries, validated.dataset.outcomes
    assert len(queries) == 1000
    assert (queries["images"].str.len() == 1).sum() == 500
    assert queries["images"].explode().nunique() == 100
    assert queries.groupby(queries["images"].str[0])["benchmark"].nunique().max() == 1
    assert len(outcomes) == pytest.approx(0.97 * 1000 * len(NAMES), rel=0.02)
    assert [finding.kind for finding in validated.report.findings if finding.set_aside] == [
        "repeated row for one query_id and vlm"
    ]


def report_of(figures, stages=WRITES):
    lines = []
    for size, factor in figures.items():
        for stage in stages:
            for what, figure in (
                ("time", 2.0 * factor),
                ("on one core", 3.0 * factor),
                ("memory", 300.0 + 100 * factor),
                ("of it the imported code", 300.0),
                ("written", 10.0 * factor),
            ):
                name = f"{stage}: {what}"
                lines.append({"part": str(size), "name": name, "figure": figure, "commit": "abc1234"})
    machine = {"cores": 2, "cpu": "made up"}
    return {
        "lines": lines,
        "machine": machine,
        "others_busy_cores": 0.0,
    }


def test_what_grows_with_the_queries_has_a_slope_of_one():
    page = scale_page(report_of({1_000: 1, 10_000: 10}))
    assert "| validate the tables | 2 s | 20 s | 1.00 |" in page
    assert "| validate the tables | 0.39 GiB | 1.3 GiB | 1.00 |" in page  # beyond the 300 MiB of imported code
    # A thousand times 10,000 queries: 20,000 s, 30,000 core seconds, 300 MiB and a thousand times 1,000 MiB
    assert "| validate the tables | 5.6 | 8.3 | 977 GiB | 98 GiB | 0.42 |" in page


def test_a_stage_that_was_not_measured_at_the_largest_size_is_judged_by_its_own_sizes():
    report = report_of({1_000: 1, 10_000: 10})
    report["lines"] += report_of({100_000: 1000}, stages=["validate"])["lines"]
    page = scale_page(report)
    assert "| validate the tables | 2 s | 20 s | 2,000 s | 2.00 |" in page
    assert "| encode the questions | 2 s | 20 s |  | 1.00 |" in page
    assert "| encode the questions | 5.6 | 8.3 | 977 GiB | 98 GiB | 0.42 |" in page


def test_slope():
    figures = {(10, "x"): 5.0, (1000, "x"): 50.0, (1, "x"): 1e9}
    assert slope(figures, "x") == pytest.approx(0.5)


def test_one_size_has_no_slope():
    assert "slope" not in scale_page(report_of({1_000: 1})).split("\n\n", 2)[2]


@pytest.mark.slow
def test_a_quick_run_goes_through(tmp_path):
    command = [sys.executable, "-m", "benchmarks.scale", "--quick", "--out", str(tmp_path)]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    report = json.loads((tmp_path / "scale-quick.json").read_text())
    assert {line["part"] for line in report["lines"]} == {"1000", "2000"}
    assert (tmp_path / "scale-quick.md").read_text() == scale_page(report)

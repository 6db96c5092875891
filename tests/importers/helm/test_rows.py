"""HELM: the rows of a run in both forms, and what is missing or broken in them."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from arms.data.tables import read_dataset
from arms.errors import ArmsError
from arms.importers.helm.helm_importer import HelmImporter
from arms.importers.run import ImportOptions, ImportReport, import_log
from tests.importers.logs.helm import (
    CLAUDE,
    GPT,
    request,
    short,
    stats_entry,
    summarise,
    write_image,
    write_json,
    write_run,
)

STATE, STATS, SPEC = "scenario_state.json", "per_instance_stats.json", "run_spec.json"
INSTANCES, PREDICTIONS = "instances.json", "display_predictions.json"


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """A benchmark_output with a good run of CLAUDE and one of GPT, to be spoilt; both are right on id0 alone."""
    output = tmp_path / "benchmark_output"
    for number in range(2):
        write_image(output / f"scenarios/gqa/{number}.png", number)
    asked = [short(f"id{number}", f"gqa/{number}.png", "Which?", "red") for number in range(2)]
    for vlm in (CLAUDE, GPT):
        rows = [request(one, f"answer {n}", match=1 - n, runtime=0.5) for n, one in enumerate(asked)]
        write_run(output / "runs/v1", "gqa", vlm, rows)
    return output


def spoilt(output: Path) -> Path:
    return output / "runs/v1/gqa:model=openai_gpt-4o"


def change(path: Path, how: Callable[[Any], Any]) -> None:
    """Change what a JSON file holds, in place or by what `how` returns."""
    content = json.loads(path.read_text())
    write_json(path, how(content) or content)


def outcomes(output: Path) -> tuple[list[list[Any]], ImportReport]:
    """GPT's outcomes, with the unknown as None, and the report."""
    out = output.parent / "out"
    report = import_log(HelmImporter(), [output], out, ImportOptions(access="free", replace=True))
    frame = read_dataset(out).outcomes
    frame = frame[frame["vlm"] == GPT][["query_id", "correct", "output", "latency_s"]].astype(object)
    return frame.where(frame.notna(), None).to_numpy().tolist(), report


def found(report: ImportReport, *, set_aside: bool) -> dict[str, str]:
    """What was found in the source, but for profiles: the kind, and the first detail."""
    return {
        finding.kind: finding.rows[0]["detail"] or ""
        for finding in report.report.findings
        if finding.table == "source" and finding.set_aside == set_aside and "profile" not in finding.kind
    }


def test_raw(output: Path) -> None:
    rows, report = outcomes(output)
    assert rows == [["gqa/id0", True, "answer 0", 0.5], ["gqa/id1", False, "answer 1", 0.5]]
    assert found(report, set_aside=True) == {}


def test_summarised(output: Path) -> None:
    summarise(spoilt(output))
    rows, _ = outcomes(output)
    assert rows == [["gqa/id0", True, "answer 0", None], ["gqa/id1", False, "answer 1", None]]
    (spoilt(output) / "display_requests.json").unlink()  # nothing is read there
    assert outcomes(output)[0] == rows
    change(spoilt(output) / PREDICTIONS, lambda all_: all_[0]["stats"].update(inference_runtime=2.5))
    assert outcomes(output)[0][0][3] == 2.5


def test_raw_comes_first(output: Path) -> None:
    raw = {name: (spoilt(output) / name).read_bytes() for name in (STATE, STATS)}
    summarise(spoilt(output))
    for name, content in raw.items():
        (spoilt(output) / name).write_bytes(content)
    assert outcomes(output)[0][0] == ["gqa/id0", True, "answer 0", 0.5]


@pytest.mark.parametrize(
    ("missing", "detail"),
    [
        ((STATS,), "expected scenario_state.json and per_instance_stats.json, or .* got scenario_state.json"),
        ((STATE,), "expected scenario_state.json and .* got per_instance_stats.json"),
        ((STATE, STATS), "got none of these"),
        ((SPEC,), r"run_spec\.json: expected JSON in UTF-8, could not read it: No such file or directory"),
    ],
)
def test_missing_files(output: Path, missing: tuple[str, ...], detail: str) -> None:
    for name in missing:
        (spoilt(output) / name).unlink()
    rows, report = outcomes(output)
    assert rows == []
    (kind,) = found(report, set_aside=True)
    assert kind == "run that cannot be read"
    assert re.search(detail, found(report, set_aside=True)[kind])


def test_missing_summary(output: Path) -> None:
    summarise(spoilt(output))
    (spoilt(output) / INSTANCES).unlink()
    assert "got display_predictions.json" in found(outcomes(output)[1], set_aside=True)["run that cannot be read"]


@pytest.mark.parametrize("name", [SPEC, STATE, STATS])
@pytest.mark.parametrize("content", [b"", b'{"request_states": [', b"\xff\xfe\x00", b"[" * 100_000, b"null", b'"text"'])
def test_broken_files(output: Path, name: str, content: bytes) -> None:
    (spoilt(output) / name).write_bytes(content)
    rows, report = outcomes(output)
    assert rows == []
    assert f"{name}: expected " in found(report, set_aside=True)["run that cannot be read"]
    assert report.report.outcomes_kept == 2  # the other run's


def test_nothing_but_broken_runs(output: Path) -> None:
    for path in output.rglob(SPEC):
        path.write_text("{")
    with pytest.raises(ArmsError, match=r"(?s)expected run folders of HELM, with run_spec\.json; \S+: expected JSON"):
        outcomes(output)
    assert not (output.parent / "out").exists()


def test_request_time_where_there_is_no_runtime(output: Path) -> None:
    change(spoilt(output) / STATS, lambda entries: _without(entries, "inference_runtime"))
    assert [row[3] for row in outcomes(output)[0]] == [9.0, 9.0]
    change(spoilt(output) / STATE, lambda state: state["request_states"][0]["result"].pop("request_time") and None)
    assert [row[3] for row in outcomes(output)[0]] == [None, 9.0]


@pytest.mark.parametrize(
    ("result", "detail"),
    [
        ({"success": False, "error": "Rate limit", "completions": [], "cached": False}, "'Rate limit'"),
        ({"success": "no", "completions": [{"text": "red"}]}, "None"),
        (None, "no result"),
    ],
)
def test_failed_requests_are_unknown(output: Path, result: Any, detail: str) -> None:
    change(spoilt(output) / STATE, lambda state: state["request_states"][0].update(result=result))
    rows, report = outcomes(output)
    assert [row[0] for row in rows] == ["gqa/id1"]
    assert found(report, set_aside=False) == {"request that failed": detail}


def test_no_completion(output: Path) -> None:
    change(spoilt(output) / STATE, lambda state: state["request_states"][0]["result"].update(completions=[]))
    assert outcomes(output)[0][0] == ["gqa/id0", True, None, 0.5]


def test_request_without_metrics_is_unknown(output: Path) -> None:
    change(spoilt(output) / STATS, lambda entries: [entry for entry in entries if entry["instance_id"] == "id1"])
    rows, report = outcomes(output)
    assert [row[0] for row in rows] == ["gqa/id1"]
    kinds = [finding.kind for finding in report.report.findings if finding.table == "outcomes"]
    assert kinds == ["correct is neither true nor false"]


def test_metric_without_a_mean_is_unknown(output: Path) -> None:
    def remove(entries: list[Any]) -> None:
        stats = entries[0]["stats"]
        stats[:] = [{"name": stat["name"], "count": 0, "sum": 0, "sum_squared": 0} for stat in stats]

    change(spoilt(output) / STATS, remove)
    assert [row[0] for row in outcomes(output)[0]] == ["gqa/id1"]


def test_entries_of_one_request_are_one(output: Path) -> None:
    """Each class of metrics writes entries of its own, in any order."""
    change(spoilt(output) / STATS, lambda entries: entries[::-1])
    assert [row[1] for row in outcomes(output)[0]] == [True, False]


@pytest.mark.parametrize(
    ("spoil", "detail"),
    [
        (lambda state: 5, "request: expected an object, got 5"),
        (lambda state: state | {"instance": "id0"}, "instance: expected an object, got 'id0'"),
        (lambda state: state | {"instance": state["instance"] | {"id": 0}}, "instance id: expected text, got 0"),
        (lambda state: state | {"instance": state["instance"] | {"id": " "}}, "instance id: expected text, got ' '"),
        (lambda state: state | {"train_trial_index": "0"}, "train_trial_index: expected a whole number, got '0'"),
        (lambda state: state | {"train_trial_index": True}, "train_trial_index: expected a whole number, got True"),
        (lambda state: state | {"train_trial_index": None}, "train_trial_index: expected a whole number, got None"),
        (
            lambda state: state | {"instance": state["instance"] | {"perturbation": "typos"}},
            "perturbation: expected an object, got 'typos'",
        ),
        (
            lambda state: state | {"instance": state["instance"] | {"perturbation": {"prob": 1}}},
            "perturbation.name: expected text, got None",
        ),
        (lambda state: state | {"result": [1]}, "result: expected an object, got [1]"),
        (
            lambda state: state | {"result": state["result"] | {"completions": "red"}},
            "completions: expected a list, got 'red'",
        ),
        (
            lambda state: state | {"result": state["result"] | {"completions": ["red"]}},
            "completion: expected an object, got 'red'",
        ),
    ],
)
def test_requests_of_wrong_types(output: Path, spoil: Callable[[Any], Any], detail: str) -> None:
    def spoil_first(state: dict[str, Any]) -> None:
        state["request_states"][0] = spoil(state["request_states"][0])

    change(spoilt(output) / STATE, spoil_first)
    rows, report = outcomes(output)
    assert [row[0] for row in rows] == ["gqa/id1"]
    assert found(report, set_aside=True) == {"request that cannot be read": detail}
    assert report.rows_set_aside == 1


@pytest.mark.parametrize(
    ("entry", "detail"),
    [
        (5, "entry: expected an object, got 5"),
        ({"instance_id": 0, "stats": []}, "instance id: expected text, got 0"),
        ({"instance_id": "id0", "stats": {}}, "stats: expected a list, got {}"),
        ({"instance_id": "id0", "stats": [1]}, "stat: expected an object, got 1"),
        ({"instance_id": "id0", "stats": [{"name": "exact_match"}]}, "name: expected an object, got 'exact_match'"),
        ({"instance_id": "id0", "stats": [{"name": {"name": 1}}]}, "name.name: expected text, got 1"),
    ],
)
def test_metrics_of_wrong_types(output: Path, entry: Any, detail: str) -> None:
    change(spoilt(output) / STATS, lambda entries: [*entries, entry])
    rows, report = outcomes(output)
    assert len(rows) == 2
    assert found(report, set_aside=True) == {"metrics that cannot be read": detail}


@pytest.mark.parametrize("grade", ["right?", [1], {"a": 1}, float("inf")])
def test_grades_of_wrong_types(output: Path, grade: Any) -> None:
    asked = {"id": "id0", "split": "test"}
    entry = stats_entry(asked, {"quasi_prefix_exact_match": 1.0})
    entry["stats"][0]["mean"] = grade
    change(spoilt(output) / STATS, lambda entries: [*entries, entry])
    rows, report = outcomes(output)
    assert [row[0] for row in rows] == ["gqa/id1"]
    assert list(found(report, set_aside=False)) == ["grade that is none"]


@pytest.mark.parametrize("time", ["soon", -1, [1], True])
def test_times_of_wrong_types(output: Path, time: Any) -> None:
    change(spoilt(output) / STATS, lambda entries: _without(entries, "inference_runtime"))
    change(spoilt(output) / STATE, lambda state: state["request_states"][0]["result"].update(request_time=time))
    rows, report = outcomes(output)
    assert [row[3] for row in rows] == [None, 9.0]
    assert list(found(report, set_aside=False)) == ["latency that is no amount"]


@pytest.mark.parametrize("text", [5, ["red"], {"a": "red"}])
def test_outputs_of_other_types_become_text(output: Path, text: Any) -> None:
    change(
        spoilt(output) / STATE, lambda state: state["request_states"][0]["result"].update(completions=[{"text": text}])
    )
    assert outcomes(output)[0][0][2] == json.dumps(text)


@pytest.mark.parametrize(
    ("spoil", "detail"),
    [
        ({"name": None}, ".name: expected text, got None"),
        ({"name": ":subject=Art"}, ".name: expected a name such as mmmu:subject=Art,model=..., got ':subject=Art'"),
        ({"adapter_spec": []}, ".adapter_spec: expected an object, got []"),
        ({"adapter_spec": {"method": "generation"}}, ".adapter_spec.model: expected the name of a VLM, got None"),
        ({"adapter_spec": {"model": ["gpt"]}}, ".adapter_spec.model: expected the name of a VLM, got ['gpt']"),
    ],
)
def test_specs_of_wrong_types(output: Path, spoil: dict[str, Any], detail: str) -> None:
    change(spoilt(output) / SPEC, lambda spec: spec | spoil)
    rows, report = outcomes(output)
    assert rows == []
    assert found(report, set_aside=True)["run that cannot be read"].endswith(f"{SPEC}{detail}")


@pytest.mark.parametrize("value", [None, 5, "x", [1], {"args": 5}])
def test_parts_of_a_spec_that_say_little(output: Path, value: Any) -> None:
    spec = {"scenario_spec": value, "groups": value, "metric_specs": value}
    change(spoilt(output) / SPEC, lambda found: found | spec)
    assert len(outcomes(output)[0]) == 2


@pytest.mark.parametrize(
    ("name", "spoil", "kind", "detail"),
    [
        (INSTANCES, lambda one: 5, "instance that cannot be read", "instance: expected an object, got 5"),
        (
            INSTANCES,
            lambda one: one | {"id": "other"},
            "request that cannot be read",
            "instance id0: expected it in ins",
        ),
        (PREDICTIONS, lambda one: 5, "request that cannot be read", "prediction: expected an object, got 5"),
        (
            PREDICTIONS,
            lambda one: one | {"stats": []},
            "request that cannot be read",
            "stats: expected an object, got []",
        ),
        (
            PREDICTIONS,
            lambda one: one | {"instance_id": None},
            "request that cannot be read",
            "instance id: expected te",
        ),
    ],
)
def test_summaries_of_wrong_types(output: Path, name: str, spoil: Callable[[Any], Any], kind: str, detail: str) -> None:
    summarise(spoilt(output))
    change(spoilt(output) / name, lambda all_: [spoil(all_[0]), *all_[1:]])
    rows, report = outcomes(output)
    assert [row[0] for row in rows] == ["gqa/id1"]
    assert found(report, set_aside=True)[kind].startswith(detail)


def test_run_without_requests(output: Path) -> None:
    change(spoilt(output) / STATE, lambda state: state.update(request_states=[]))
    rows, report = outcomes(output)
    assert rows == []
    assert found(report, set_aside=False) == {"run without a row to read": ""}


def _without(entries: list[Any], metric: str) -> list[Any]:
    return [entry | {"stats": [stat for stat in entry["stats"] if stat["name"]["name"] != metric]} for entry in entries]

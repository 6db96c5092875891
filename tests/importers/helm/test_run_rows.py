"""HELM: the rows of a run in both forms, and what is missing or broken in them."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from arms.errors import ArmsError
from tests.importers.helm.case import SPEC, STATE, STATS, Spoilt, set_aside
from tests.importers.logs.helm import stats_entry, summarise

INSTANCES, PREDICTIONS = "instances.json", "display_predictions.json"


@pytest.fixture
def output(tmp_path: Path) -> Spoilt:
    return Spoilt(tmp_path)


def first(change: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
    """A change of the first request."""

    def change_first(state: dict[str, Any]) -> None:
        state["request_states"][0] = change(state["request_states"][0])

    return change_first


def result(**changes: Any) -> Callable[[dict[str, Any]], Any]:
    """A change of the first request's result."""
    return first(lambda state: state | {"result": state["result"] | changes})


def without(metric: str) -> Callable[[list[Any]], list[Any]]:
    return lambda entries: [
        entry | {"stats": [stat for stat in entry["stats"] if stat["name"]["name"] != metric]} for entry in entries
    ]


def test_both_forms(output: Spoilt) -> None:
    raw = {name: (output.spoilt / name).read_bytes() for name in (STATE, STATS)}
    rows, found = output.outcomes()
    assert rows == [[0, True, "answer 0", 0.5], [1, False, "answer 1", 0.5]]
    assert set_aside(found) == {}
    summarise(output.spoilt)
    rows, _ = output.outcomes()
    assert rows == [[0, True, "answer 0", None], [1, False, "answer 1", None]]
    (output.spoilt / "display_requests.json").unlink()  # nothing is read there
    assert output.outcomes()[0] == rows
    output.change(PREDICTIONS, lambda all_: all_[0]["stats"].update(inference_runtime=2.5))
    assert output.outcomes()[0][0][3] == 2.5
    for name, content in raw.items():
        (output.spoilt / name).write_bytes(content)
    assert output.outcomes()[0][0] == [0, True, "answer 0", 0.5], "the raw files come first"


@pytest.mark.parametrize(
    ("missing", "detail"),
    [
        ((STATS,), "expected scenario_state.json and per_instance_stats.json, or .* got scenario_state.json"),
        ((STATE,), "expected scenario_state.json and .* got per_instance_stats.json"),
        ((STATE, STATS), "got none of these"),
        ((SPEC,), r"run_spec\.json: expected JSON in UTF-8, could not read it: No such file or directory"),
        ((INSTANCES,), "got display_predictions.json"),
    ],
)
def test_missing_files(output: Spoilt, missing: tuple[str, ...], detail: str) -> None:
    if INSTANCES in missing:
        summarise(output.spoilt)
    for name in missing:
        (output.spoilt / name).unlink()
    rows, found = output.outcomes()
    assert rows == []
    assert re.search(detail, set_aside(found)["run that cannot be read"])


@pytest.mark.parametrize("name", [SPEC, STATE, STATS])
@pytest.mark.parametrize("content", [b"", b'{"request_states": [', b"\xff\xfe\x00", b"[" * 100_000, b"null", b'"text"'])
def test_broken_files(output: Spoilt, name: str, content: bytes) -> None:
    (output.spoilt / name).write_bytes(content)
    rows, found = output.outcomes()
    assert (rows, len(found.outcomes)) == ([], 2), "the other run's"
    assert f"{name}: expected " in set_aside(found)["run that cannot be read"]


def test_nothing_but_broken_runs(output: Spoilt) -> None:
    for path in output.folder.rglob(SPEC):
        path.write_text("{")
    with pytest.raises(ArmsError, match=r"(?s)expected run folders of HELM, with run_spec\.json; \S+: expected JSON"):
        output.outcomes()
    assert not (output.folder.parent / "out").exists()


@pytest.mark.parametrize(
    ("name", "change", "rows"),
    [
        (STATS, without("inference_runtime"), [[0, True, "answer 0", 9.0], [1, False, "answer 1", 9.0]]),
        (STATE, result(completions=[]), [[0, True, None, 0.5], [1, False, "answer 1", 0.5]]),
        (STATE, result(completions=[{"text": 5}]), [[0, True, "5", 0.5], [1, False, "answer 1", 0.5]]),
        (STATE, result(completions=[{"text": ["a"]}]), [[0, True, '["a"]', 0.5], [1, False, "answer 1", 0.5]]),
        (STATE, result(completions=[{"text": {"a": 1}}]), [[0, True, '{"a": 1}', 0.5], [1, False, "answer 1", 0.5]]),
        # Each class of metrics writes entries of its own, in any order.
        (STATS, lambda entries: entries[::-1], [[0, True, "answer 0", 0.5], [1, False, "answer 1", 0.5]]),
        # Without metrics, or a mean of them, an outcome is unknown.
        (STATS, lambda all_: [one for one in all_ if one["instance_id"] == "id1"], [[1, False, "answer 1", 0.5]]),
        (STATS, lambda all_: [stat.pop("mean") for stat in all_[0]["stats"]] and None, [[1, False, "answer 1", 0.5]]),
    ],
)
def test_what_rows_say(output: Spoilt, name: str, change: Callable[[Any], Any], rows: list[list[Any]]) -> None:
    output.change(name, change)
    assert output.outcomes()[0] == rows


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        (result(success=False, error="Rate limit", completions=[]), "'Rate limit'"),
        (result(success="no"), "None"),
        (first(lambda state: state | {"result": None}), "no result"),
    ],
)
def test_failed_requests_are_unknown(output: Spoilt, change: Callable[[Any], Any], detail: str) -> None:
    output.change(STATE, change)
    rows, found = output.outcomes()
    assert [row[0] for row in rows] == [1]
    assert set_aside(found, noted=True) == {"request that failed": detail}


def instance(**changes: Any) -> Callable[[dict[str, Any]], Any]:
    return first(lambda state: state | {"instance": state["instance"] | changes})


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        (first(lambda state: 5), "request: expected an object, got 5"),
        (first(lambda state: state | {"instance": "id0"}), "instance: expected an object, got 'id0'"),
        (instance(id=0), "instance id: expected text, got 0"),
        (instance(id=" "), "instance id: expected text, got ' '"),
        (instance(perturbation="typos"), "perturbation: expected an object, got 'typos'"),
        (instance(perturbation={"prob": 1}), "perturbation.name: expected text, got None"),
        *(
            (
                first(lambda state, trial=trial: state | {"train_trial_index": trial}),
                f"expected a whole number, got {trial!r}",
            )
            for trial in ("0", True, None)
        ),
        (first(lambda state: state | {"result": [1]}), "result: expected an object, got [1]"),
        (result(completions="red"), "completions: expected a list, got 'red'"),
        (result(completions=["red"]), "completion: expected an object, got 'red'"),
    ],
)
def test_requests_of_wrong_types(output: Spoilt, change: Callable[[Any], Any], detail: str) -> None:
    output.change(STATE, change)
    rows, found = output.outcomes()
    assert [row[0] for row in rows] == [1]
    assert set_aside(found)["request that cannot be read"].endswith(detail)
    assert found.report.rows_set_aside == 1


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
def test_metrics_of_wrong_types(output: Spoilt, entry: Any, detail: str) -> None:
    output.change(STATS, lambda entries: [*entries, entry])
    rows, found = output.outcomes()
    assert (len(rows), set_aside(found)) == (2, {"metrics that cannot be read": detail})


@pytest.mark.parametrize("grade", ["right?", [1], {"a": 1}, float("inf")])
def test_grades_of_wrong_types(output: Spoilt, grade: Any) -> None:
    entry = stats_entry({"id": "id0", "split": "test"}, {"quasi_prefix_exact_match": 1.0})
    entry["stats"][0]["mean"] = grade
    output.change(STATS, lambda entries: [*entries, entry])
    rows, found = output.outcomes()
    assert ([row[0] for row in rows], [*set_aside(found, noted=True)]) == ([1], ["value that is not a grade"])


@pytest.mark.parametrize("time", ["soon", -1, [1], True, None])
def test_times_of_wrong_types(output: Spoilt, time: Any) -> None:
    output.change(STATS, without("inference_runtime"))
    output.change(STATE, result(request_time=time))
    rows, found = output.outcomes()
    assert [row[3] for row in rows] == [None, 9.0]
    assert [*set_aside(found, noted=True)] == ([] if time is None else ["latency that is not an amount"])


@pytest.mark.parametrize(
    ("spoil", "detail"),
    [
        ({"name": None}, ".name: expected text, got None"),
        ({"name": ":subject=Art"}, ".name: expected a name such as mmmu:subject=Art,model=..., got ':subject=Art'"),
        ({"adapter_spec": []}, ".adapter_spec: expected an object, got []"),
        ({"adapter_spec": {"method": "generation"}}, ".adapter_spec.model: expected the name of a VLM, got None"),
        ({"adapter_spec": {"model": ["gpt"]}}, ".adapter_spec.model: expected the name of a VLM, got ['gpt']"),
        *(({"scenario_spec": value, "groups": value, "metric_specs": value}, None) for value in (None, 5, "x", [1])),
        ({"scenario_spec": {"args": 5}}, None),  # such parts say little
    ],
)
def test_specs_of_wrong_types(output: Spoilt, spoil: dict[str, Any], detail: str | None) -> None:
    output.change(SPEC, lambda spec: spec | spoil)
    rows, found = output.outcomes()
    if detail is None:
        assert len(rows) == 2
    else:
        assert rows == []
        assert set_aside(found)["run that cannot be read"].endswith(f"{SPEC}{detail}")


@pytest.mark.parametrize(
    ("name", "spoil", "kind", "detail"),
    [
        (INSTANCES, lambda one: 5, "instance", "instance: expected an object, got 5"),
        (INSTANCES, lambda one: one | {"id": "other"}, "request", "instance id0: expected it in ins"),
        (PREDICTIONS, lambda one: 5, "request", "prediction: expected an object, got 5"),
        (PREDICTIONS, lambda one: one | {"stats": []}, "request", "stats: expected an object, got []"),
        (PREDICTIONS, lambda one: one | {"instance_id": None}, "request", "instance id: expected te"),
    ],
)
def test_summaries_of_wrong_types(
    output: Spoilt, name: str, spoil: Callable[[Any], Any], kind: str, detail: str
) -> None:
    summarise(output.spoilt)
    output.change(name, lambda all_: [spoil(all_[0]), *all_[1:]])
    rows, found = output.outcomes()
    assert [row[0] for row in rows] == [1]
    assert set_aside(found)[f"{kind} that cannot be read"].startswith(detail)


def test_run_without_requests(output: Spoilt) -> None:
    (output.spoilt / STATE).write_text(json.dumps({"request_states": []}))
    rows, found = output.outcomes()
    assert (rows, set_aside(found, noted=True)) == ([], {"run without a row to read": ""})

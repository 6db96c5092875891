"""Read the rows of a HELM run: from its raw files, or from those that helm-summarize derives from them."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arms.errors import ArmsError
from arms.importers.helm.run_specs import RUN_AGAIN, Run, expect
from arms.importers.rows.json_files import read_json
from arms.importers.set_aside import SetAside
from arms.importers.texts import as_text, shown

_STATE, _STATS = "scenario_state.json", "per_instance_stats.json"
_INSTANCES, _PREDICTIONS = "instances.json", "display_predictions.json"

_EVALUATED = ("test", "valid")  # splits; instances without one are evaluated too
_RUNTIME = "inference_runtime"

# What a perturbation's description holds beside its parameters: what it is for, and files on the evaluator's machine.
_NO_PARAMETERS = ("name", "robustness", "fairness", "computed_on", "mapping_file_path", "name_file_path")

_OTHER_SPLIT = "instance that is not of the test or validation split"
_OTHER_TRIAL = "request of another training trial"
_SKIPPED = {_OTHER_SPLIT: "nothing: it was not evaluated", _OTHER_TRIAL: "nothing, or name the trial to read: --trial"}

_Key = tuple[str, str, int]  # instance, perturbation, training trial


@dataclass(frozen=True, eq=False, slots=True)
class Row:
    """What a run says of one query; values are as they were found."""

    where: str
    instance: dict[str, Any]
    instance_id: str
    perturbation: str  # empty: none
    language: str | None  # that a perturbation translates to
    stats: dict[str, Any]
    output: Any
    latency_s: Any
    failure: str | None  # why there is no answer


def read_rows(run: Run, trial: int, aside: SetAside) -> list[Row]:
    """The rows of a run that were evaluated in one training trial; those that cannot be used are set aside.

    Raises
    ------
    ArmsError
        If files are missing or broken.
    """
    skipped: Counter[str] = Counter()
    present = [name for name in (_STATE, _STATS, _INSTANCES, _PREDICTIONS) if os.path.exists(run.folder / name)]
    if {_STATE, _STATS}.issubset(present):
        rows = list(_read_raw(run.folder, trial, skipped, aside))
    elif {_INSTANCES, _PREDICTIONS}.issubset(present):
        rows = list(_read_summarised(run.folder, trial, skipped, aside))
    else:
        raise ArmsError(
            f"{run.folder}: expected {_STATE} and {_STATS}, or {_INSTANCES} and {_PREDICTIONS} as helm-summarize "
            f"writes them, got {' and '.join(present) or 'none of these'}"
        )
    for reason, count in skipped.items():
        aside.note(reason, str(run.folder), _SKIPPED[reason], count=count)
    return rows


def _read_raw(folder: Path, trial: int, skipped: Counter[str], aside: SetAside) -> Iterator[Row]:
    """Rows from scenario_state.json and per_instance_stats.json."""
    stats = _read_stats(folder / _STATS, aside)
    path = folder / _STATE
    requests = expect(read_json(path, dict).get("request_states"), list, f"{path}.request_states")
    for number, request in enumerate(requests):
        where = f"{path}.request_states[{number}]"
        try:
            request = expect(request, dict, "request")
            instance = expect(request.get("instance"), dict, "instance")
            key = _read_key(instance.get("id"), instance, request)
            if _is_skipped(instance, key, trial, skipped):
                continue
            output, time, failure = _read_result(request.get("result"))
        except ArmsError as error:
            aside.add("request that cannot be read", where, RUN_AGAIN, detail=str(error))
            continue
        of_request = stats.get(key, {})
        runtime = of_request.get(_RUNTIME)
        latency_s = time if runtime is None else runtime
        yield Row(where, instance, *key[:2], _language(instance), of_request, output, latency_s, failure)


def _read_summarised(folder: Path, trial: int, skipped: Counter[str], aside: SetAside) -> Iterator[Row]:
    """Rows from instances.json and display_predictions.json; display_requests.json says nothing that these do not."""
    instances = {}
    for number, instance in enumerate(read_json(folder / _INSTANCES, list)):
        try:
            instance = expect(instance, dict, "instance")
            instances[_read_key(instance.get("id"), instance, {})] = instance
        except ArmsError as error:
            where = f"{folder / _INSTANCES}[{number}]"
            aside.add("instance that cannot be read", where, RUN_AGAIN, detail=str(error))
    path = folder / _PREDICTIONS
    for number, prediction in enumerate(read_json(path, list)):
        where = f"{path}[{number}]"
        try:
            prediction = expect(prediction, dict, "prediction")
            key = _read_key(prediction.get("instance_id"), prediction, prediction)
            stats = expect(prediction.get("stats", {}), dict, "stats")
            instance = instances.get((*key[:2], 0))
            if instance is None:
                raise ArmsError(f"instance {key[0]}: expected it in {_INSTANCES}, found none")
        except ArmsError as error:
            aside.add("request that cannot be read", where, RUN_AGAIN, detail=str(error))
            continue
        if not _is_skipped(instance, key, trial, skipped):
            output = prediction.get("predicted_text")
            yield Row(where, instance, *key[:2], _language(instance), stats, output, stats.get(_RUNTIME), None)


def _read_stats(path: Path, aside: SetAside) -> dict[_Key, dict[str, Any]]:
    """The metrics of each request; each of HELM's classes of metrics writes entries of its own for it."""
    stats: dict[_Key, dict[str, Any]] = {}
    for number, entry in enumerate(read_json(path, list)):
        where = f"{path}[{number}]"
        try:
            entry = expect(entry, dict, "entry")
            of_request = stats.setdefault(_read_key(entry.get("instance_id"), entry, entry), {})
            for stat in expect(entry.get("stats"), list, "stats"):
                stat = expect(stat, dict, "stat")
                name = expect(expect(stat.get("name"), dict, "name").get("name"), str, "name.name")
                if stat.get("mean") is not None:
                    of_request[name] = stat["mean"]
        except ArmsError as error:
            aside.add("metrics that cannot be read", where, RUN_AGAIN, detail=str(error))
    return stats


def _read_result(result: Any) -> tuple[Any, Any, str | None]:
    """A request's output, its time, and why it failed if it did."""
    if result is None:
        return None, None, "no result"
    result = expect(result, dict, "result")
    if result.get("success") is not True:
        return None, None, shown(result.get("error"))
    completions = expect(result.get("completions"), list, "completions")
    output = expect(completions[0], dict, "completion").get("text") if completions else None
    return output, result.get("request_time"), None


def _read_key(instance_id: Any, perturbed: dict[str, Any], trained: dict[str, Any]) -> _Key:
    """What distinguishes a request from others."""
    trial = trained.get("train_trial_index", 0)
    if isinstance(trial, bool):
        raise ArmsError(f"train_trial_index: expected a whole number, got {trial}")
    if not expect(instance_id, str, "instance id").strip():
        raise ArmsError(f"instance id: expected text, got {instance_id!r}")
    return (
        instance_id,
        _name_perturbation(perturbed.get("perturbation")),
        expect(trial, int, "train_trial_index"),
    )


def _name_perturbation(perturbation: Any) -> str:
    """A perturbation by its name and parameters, as in `typos prob=0.1`; empty if there is none."""
    if perturbation is None:
        return ""
    perturbation = expect(perturbation, dict, "perturbation")
    name = expect(perturbation.get("name"), str, "perturbation.name")
    parameters = sorted(set(perturbation) - set(_NO_PARAMETERS))
    return " ".join([name, *(f"{parameter}={as_text(perturbation[parameter])}" for parameter in parameters)])


def _language(instance: dict[str, Any]) -> str | None:
    """The language that a query was translated to."""
    perturbation = instance.get("perturbation")
    code = perturbation.get("language_code") if perturbation else None
    return code if isinstance(code, str) else None


def _is_skipped(instance: dict[str, Any], key: _Key, trial: int, skipped: Counter[str]) -> bool:
    """Whether a row is of another split or trial than those that are read."""
    split = instance.get("split")
    if split is not None and split not in _EVALUATED:
        skipped[_OTHER_SPLIT] += 1
        return True
    if key[2] != trial:
        skipped[_OTHER_TRIAL] += 1
        return True
    return False

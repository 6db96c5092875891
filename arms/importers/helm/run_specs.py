"""Find the runs in HELM's output, by their files, and read what they are."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arms.errors import ArmsError
from arms.importers.helm.names import RunName, parse_run_name
from arms.importers.rows.json_files import read_json
from arms.importers.set_aside import SetAside
from arms.importers.texts import as_text, shown

RUN_AGAIN = "run the evaluation again, or copy its files again"

_SPEC = "run_spec.json"
_OF_RUN = {_SPEC, "scenario_state.json", "per_instance_stats.json", "display_predictions.json"}


@dataclass(frozen=True, eq=False)
class Run:
    """What a run's run_spec.json says.

    Attributes
    ----------
    folder : Path
    suite : str
        The name of the folder around it.
    name : RunName
    vlm : str
        As HELM calls it, such as openai/gpt-4o.
    args : dict
        The scenario's arguments, those only in the name included.
    method : str
        How queries become prompts, such as multiple_choice_joint_multimodal.
    instructions : str
        The prompt's first part.
    """

    folder: Path
    suite: str
    name: RunName
    vlm: str
    args: dict[str, Any]
    method: str
    instructions: str


def find_runs(sources: Sequence[Path], aside: SetAside) -> list[Run]:
    """Every run at or below some folders, each once; a run whose run_spec.json cannot be used is set aside.

    Raises
    ------
    ArmsError
        If a source is not a folder, or there is no usable run.
    """
    folders: dict[str, Path] = {}
    for source in sources:
        if not source.is_dir():
            raise ArmsError(f"{source}: expected a folder of HELM's output, got a file; name the folder it is in")
        for folder in _walk(source, aside):
            folders.setdefault(os.path.realpath(folder), folder)
    runs, problems = [], []
    for folder in folders.values():
        try:
            runs.append(_read_spec(folder))
        except ArmsError as error:
            problems.append(str(error))
            aside.add("run that cannot be read", str(folder), RUN_AGAIN, detail=str(error))
    if not runs:
        found = problems[0] if problems else "found none; name benchmark_output, or a suite or run below its runs"
        raise ArmsError(f"{', '.join(map(str, sources))}: expected run folders of HELM, with {_SPEC}; {found}")
    return runs


def expect(value: Any, kind: type, where: str) -> Any:
    """The value; an ArmsError if it is of another type."""
    if not isinstance(value, kind):
        names = {dict: "an object", list: "a list", str: "text", int: "a whole number"}
        raise ArmsError(f"{where}: expected {names[kind]}, got {shown(value)}")
    return value


def _walk(source: Path, aside: SetAside) -> Iterator[Path]:
    """The run folders at or below a folder, in a fixed order; links to folders (HELM's `latest`) are not followed."""

    def report(error: OSError) -> None:
        aside.add("folder that cannot be read", str(error.filename), "allow it to be read", detail=str(error.strerror))

    # Beside the runs benchmark_output holds the scenarios' data, possibly millions of files.
    top = source / "runs" if (source / "runs").is_dir() and not (source / _SPEC).exists() else source
    for parent, folders, names in os.walk(top, onerror=report):
        folders.sort()
        if not _OF_RUN.isdisjoint(names):
            folders.clear()
            yield Path(parent)


def _read_spec(folder: Path) -> Run:
    """What a run's run_spec.json says."""
    path = folder / _SPEC
    spec = read_json(path, dict)
    adapter = expect(spec.get("adapter_spec"), dict, f"{path}.adapter_spec")
    name = parse_run_name(expect(spec.get("name"), str, f"{path}.name"))
    if not name.benchmark.strip():
        raise ArmsError(f"{path}.name: expected a name such as mmmu:subject=Art,model=..., got {shown(spec['name'])}")
    vlm = adapter.get("model") or adapter.get("model_deployment")  # HELM takes the one for the other as well
    if not isinstance(vlm, str) or not vlm.strip():
        raise ArmsError(f"{path}.adapter_spec.model: expected the name of a VLM, got {shown(vlm)}")
    scenario = spec.get("scenario_spec")
    args = scenario.get("args") if isinstance(scenario, dict) else None
    return Run(
        folder=folder,
        suite=folder.resolve().parent.name,
        name=name,
        vlm=vlm,
        args={**name.args, **(args if isinstance(args, dict) else {})},
        method=as_text(adapter.get("method")) or "",
        instructions=as_text(adapter.get("instructions")) or "",
    )

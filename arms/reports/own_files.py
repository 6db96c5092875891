"""Reading what the pipeline wrote on a dataset of one's own, and writing its page with the figures."""

import shutil
from pathlib import Path
from typing import Any

from arms.data.atomic import atomic_file
from arms.data.disk import read_json
from arms.data.prepared import read_prepared, split_sizes
from arms.errors import ArmsError
from arms.names import name_problem
from arms.params.data import read_data_params
from arms.reports.curve_figure import learning_curve
from arms.reports.own_page import own_page
from arms.reports.results_table import read_metrics
from arms.routers.checkpoint import DESCRIPTION

_PLOTS = Path("data/plots/evaluate")
_STUDIES = Path("studies/results")
_ROUTERS = Path("data/routers")
_FIGURES = ("em", "pareto", "reliability")


def write_own_page(name: str, metrics: Path, out: Path) -> Path:
    """Write <name>.md into a folder, and its figures, <name>-*.png; what else is there stays.

    Raises
    ------
    ArmsError
        If the name is none, the last run was on another dataset, or there was none.
    """
    if problem := name_problem(name):
        raise ArmsError(f"--data: {problem}")
    summary = metrics / "summary.json"
    if not summary.is_file():
        raise ArmsError(f"{summary}: expected the results of a run, found none; run: dvc exp run -S data={name}")
    routers = read_metrics(metrics)  # which checks the whole folder
    if (judged := _read(summary)["data"]) != name:
        raise ArmsError(
            f"{summary}: expected results on {name}, got those of the last run, on {judged}; run: "
            f"dvc exp run -S data={name}"
        )
    curve, unseen = (_read_if_there(_STUDIES / name / f"{study}.json") for study in ("curve", "unseen"))
    figures = {figure: f"{name}-{figure}.png" for figure in _FIGURES if (_PLOTS / f"{figure}.png").is_file()}
    out.mkdir(parents=True, exist_ok=True)
    for figure, file in figures.items():
        with atomic_file(out / file) as draft:
            shutil.copyfile(_PLOTS / f"{figure}.png", draft)
    if curve is not None:
        figures["curve"] = f"{name}-curve.png"
        learning_curve(curve, out / figures["curve"])
    text = own_page(
        name,
        read_data_params(name).description,
        routers,
        _read(metrics / "vlms.json"),
        _read(_PLOTS / "pairs.json"),
        _folders(list(routers)),
        split_sizes(read_prepared(Path("data/prepared") / name)),
        curve=curve,
        unseen=unseen,
        figures=figures,
    )
    page = out / f"{name}.md"
    with atomic_file(page) as draft:
        draft.write_text(text, encoding="utf-8")
    return page


def _folders(routers: list[str]) -> dict[str, str]:
    """Where the routers are that can be routed with over the extended pool; `plain` is the chosen strategy's net."""
    found = {}
    for name in routers:
        for folder in (_ROUTERS / name, _ROUTERS / "baselines" / name):
            if (folder / DESCRIPTION).is_file() and _read(folder / DESCRIPTION).get("weights"):
                found[name] = folder.as_posix()
    return found


def _read_if_there(file: Path) -> Any:
    return _read(file) if file.is_file() else None


def _read(file: Path) -> Any:
    return read_json(file, "what a stage wrote", "run: dvc repro")

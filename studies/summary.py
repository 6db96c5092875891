"""Draw the studies, and put all results on one dataset into one file."""

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from arms.data.atomic import atomic_file, atomic_folder
from arms.data.disk import read_json
from arms.data.prepared import Prepared, read_prepared, split_sizes, write_json
from arms.data.splits import TEST_SPLITS
from arms.evaluation.complementarity import comparison_record, dataset_statistics, pool_statistics, rescue_matrix
from arms.evaluation.judge import Judge
from arms.evaluation.leaderboard import beaten
from arms.evaluation.seeds import SeedJudge
from arms.params.tree import Params
from arms.reports import study_figures
from arms.reports.results_table import read_files
from arms.reports.unseen_figures import gains_by_kind, risk_by_coverage
from stages.workspace import METRICS, PLOTS, open_workspace, stage
from studies.extension_summary import draw_extension, extension_tables
from studies.seed_scores import read_phi_scores
from studies.settings import FIVE_METRICS, RESULTS, STUDIES, read_study_params
from studies.study_claims import study_claims

CURVES = ("accuracy", "f1", "em")
KEPT = (*FIVE_METRICS, "auroc", "ece_all")
FIGURES = Path("studies/figures")

logger = logging.getLogger("studies.summary")

Results = dict[str, dict[str, Any]]


def main() -> None:
    """Write studies/results/<data>/summary.json and the figures in studies/figures/<data>.

    Studies that were not run are left out, except reading, which is always needed.
    """
    workspace = open_workspace()
    prepared, params = read_prepared(workspace.prepared), read_study_params()
    folder = RESULTS / workspace.params.data
    studies: dict[str, Results] = {
        name: {
            variant: _read(file)
            for variant in getattr(params.studies, name)
            if (file := folder / name / f"{variant}.json").exists()
        }
        for name in STUDIES
    }
    extension = {file.stem: _read(file) for file in sorted((folder / "extension").glob("*.json"))}
    routers = _read(judged) if (judged := folder / "routers" / "judged.json").exists() else {}
    unseen = _read(judged) if (judged := folder / "unseen.json").exists() else {}
    metrics = read_files(METRICS)
    rescue = {split: _rescue(prepared, split) for split in TEST_SPLITS if len(prepared.split(split))}
    with atomic_folder(FIGURES / workspace.params.data) as figures:
        draw_studies(studies, metrics, figures)
        draw_extension(extension, metrics, figures)
        if (drawn := folder / "routers" / "pareto.png").exists():
            shutil.copyfile(drawn, figures / "pareto.png")
        draw_unseen(unseen, figures)
        draw_reading(folder / "reading", figures)
        for name in ("em.png", "reliability.png"):
            shutil.copyfile(PLOTS / "evaluate" / name, figures / name)
        for split, content in rescue.items():
            matrix = np.array(content["matrix"], dtype=np.float64)
            study_figures.rescue_heatmap(matrix, content["vlms"], figures / f"rescue-{split}.png")
    summary = {
        "quick": params.quick,
        "settings": {name: getattr(workspace.params, name) for name in ("encoders", "preset", "epochs", "seed")},
        "metrics": metrics,
        "statistics": dataset_statistics(prepared),
        "splits": split_sizes(prepared),
        "pools": pool_statistics(prepared),
        "comparison": comparison_record(prepared),
        "rescue": rescue,
        "gates": _read(folder / "reading" / "gates.json"),
        "extension": extension_tables(extension),
        "routers": routers
        and {key: routers[key] for key in ("leaderboard", "sources", "seeds", "em_by_seed", "claims", "forms")}
        | {"beaten": beaten(routers["pairs"])},
        "unseen": unseen,
        "studies": {name: study_summary(prepared, workspace.params, of, name) for name, of in studies.items()},
    }
    with atomic_file(folder / "summary.json") as draft:
        write_json(summary, draft)
    logger.info("wrote %s and %s", folder / "summary.json", FIGURES / workspace.params.data)


def draw_studies(studies: dict[str, Results], metrics: Results, folder: Path) -> None:
    """Draw the ablations, and the curves over data and epochs with the best single VLM and kNN as references."""
    references = {
        split: {"best single VLM": values["best_single_em"], "kNN": values["em"]}
        for split in TEST_SPLITS
        if (values := metrics["knn"][split]["base"])["em"] is not None
    }
    for name in ("ablation", "tuning"):
        if studies[name]:
            study_figures.ablation(list(_records(studies[name], ("em",))), folder / f"{name}.png")
    for name, label in (("data", "share of the training images in percent"), ("epochs", "epochs")):
        records = [{**record, "x": float(record["variant"])} for record in _records(studies[name], CURVES)]
        if records:
            study_figures.sweep(records, folder / f"{name}.png", x_label=label, references=references)


def draw_unseen(unseen: dict[str, Any], folder: Path) -> None:
    """Draw the gains on kinds left out, and risk by coverage there and on id."""
    for column, of in unseen.get("left_out", {}).items():
        gains_by_kind(of["routers"], folder / f"unseen-{column}.png")
        risk_by_coverage(of["trust"], unseen["trust_id"], folder / f"risk-coverage-{column}.png")


def draw_reading(read: Path, folder: Path) -> None:
    """Draw gates, confidences and the map of fused vectors."""
    study_figures.gate_usage(_read(read / "gates.json"), folder / "gates.png")
    study_figures.confidence_histogram(_read(read / "confidences.json"), folder / "confidences.png")
    points = _read(read / "map.json")
    colourings = {
        title: [point[key] for point in points] for title, key in (("benchmark", "benchmark"), ("VLM", "vlm"))
    }
    at = np.array([[point["x"], point["y"]] for point in points])
    study_figures.embedding_map(at, colourings, folder / "map.png")


def _records(results: Results, metrics: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """One record for each variant, split and metric, with the values of all seeds."""
    for variant, result in results.items():
        for split in TEST_SPLITS:
            for metric in metrics:
                runs = [run["metrics"][split][metric] for run in result["runs"]]
                if None not in runs:
                    yield {"variant": variant, "split": split, "metric": metric, "runs": runs}


def study_summary(prepared: Prepared, params: Params, results: Results, study: str) -> dict[str, Any]:
    """The metrics of each variant of a study, and EM of ARMS minus that of the variant; see `study_claims`."""
    if not results:
        return {}
    bootstrap = {"samples": params.evaluate.bootstrap_samples, "seed": params.evaluate.seed}
    judge = SeedJudge(Judge(prepared, {}, **bootstrap), **bootstrap)
    claims = study_claims(judge, list(read_phi_scores().values()), results, study)
    return {variant: _spread(result) | {"phi_minus_this": claims[variant]} for variant, result in results.items()}


def _spread(result: dict[str, Any]) -> dict[str, Any]:
    """Mean, lowest and highest of each metric over the seeds."""
    spread: dict[str, Any] = {"settings": result["settings"], "seeds": [run["seed"] for run in result["runs"]]}
    for split in ("val", *TEST_SPLITS):
        values = {metric: [run["metrics"][split][metric] for run in result["runs"]] for metric in KEPT}
        spread[split] = {
            metric: {"mean": round(float(np.mean(runs)), 4), "low": min(runs), "high": max(runs)}
            for metric, runs in values.items()
            if None not in runs
        }
    return spread


def _rescue(prepared: Prepared, split: str) -> dict[str, Any]:
    ids = prepared.split(split)["query_id"].tolist()
    matrix = rescue_matrix(prepared.outcome_matrix(ids, prepared.extended))
    rows = [[None if np.isnan(value) else round(float(value), 4) for value in row] for row in matrix]
    return {"vlms": list(prepared.extended), "matrix": rows}


def _read(file: Path) -> Any:
    return read_json(file, "what a study wrote", "run: dvc repro studies/dvc.yaml")


if __name__ == "__main__":
    with stage("summary"):
        main()

"""Train Phi under other settings and set it against the pipeline's own Phi."""

import logging
from dataclasses import replace
from pathlib import Path

import click

from arms.data.atomic import atomic_file
from arms.data.prepared import write_json
from arms.data.scores import read_scores
from arms.evaluation.judge import SPLITS, Judge
from arms.params import override
from stages.inputs import SCORED_SPLITS, read_inputs, router_scores
from stages.train import fit_phi
from stages.workspace import SCORES, Stopwatch, open_workspace, progress_bar, stage

logger = logging.getLogger("stages.study")


@click.command()
@click.argument("settings", nargs=-1, required=True)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="JSON file for the results.")
def main(settings: tuple[str, ...], out: Path) -> None:
    """Train with SETTINGS such as router.inputs=text; write the metrics and what Phi has over them."""
    workspace, watch = open_workspace(), Stopwatch()
    workspace = replace(workspace, params=override(workspace.params, settings))
    inputs, encoders = read_inputs(workspace)
    with progress_bar(" ".join(settings), "steps") as progress:
        router = fit_phi(workspace, inputs, encoders, lambda _: None, progress)
    variant = router_scores(" ".join(settings), "base", router, inputs.queries(*SCORED_SPLITS))
    phi = read_scores(SCORES / "arms" / "arms-base.parquet")
    evaluate = workspace.params.evaluate
    judge = Judge(inputs.prepared, {}, samples=evaluate.bootstrap_samples, seed=evaluate.seed)
    metrics = judge.metrics({"base": variant})
    for split in SPLITS:
        metrics[split]["base"]["phi_minus_this"] = judge.compare(phi, variant, split)
    with atomic_file(out) as draft:
        write_json(metrics, draft)
    logger.info("%s: EM %s on id, in %.1f s", " ".join(settings), metrics["id"]["base"]["em"], watch.elapsed_s)


if __name__ == "__main__":
    with stage("study"):
        main(standalone_mode=False)

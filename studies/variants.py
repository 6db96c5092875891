"""Train Phi with other settings, once for each seed, and judge it."""

import logging
from dataclasses import replace
from typing import Any

import click

from arms.data.atomic import atomic_file
from arms.data.prepared import write_json
from arms.data.scores import read_scores
from arms.data.splits import SCORED_SPLITS, TEST_SPLITS
from arms.evaluation.judge import Judge
from arms.params import read_params
from stages.dataset import open_dataset
from stages.phi import training_data, untrained_phi
from stages.workspace import SCORES, Stopwatch, open_workspace, stage
from studies.settings import RESULTS, STUDIES, read_study_params

QUICK = ("epochs=1", "train.data_share=0.1")

logger = logging.getLogger("studies.variants")


@click.command()
@click.argument("study", type=click.Choice([study for study in STUDIES if study != "tuning"]))
@click.argument("variant")
@click.option("--quick", is_flag=True, help="One seed, one epoch, a tenth of the images.")
def main(study: str, variant: str, quick: bool) -> None:
    """Write studies/results/<data>/STUDY/VARIANT.json; see `study_variant`."""
    study_variant(study, variant, [], quick=quick)


def study_variant(study: str, variant: str, first: list[str], *, quick: bool) -> None:
    """Write the metrics of each seed's run on the base pool.

    Parameters
    ----------
    first : list of str
        Settings that come before the variant's own.
    """
    params, watch = read_study_params(), Stopwatch()
    settings = [*first, *getattr(params.studies, study)[variant].split()]
    quick = quick or params.quick
    runs = run_variant([*settings, *(QUICK if quick else ())], params.seeds[:1] if quick else params.seeds)
    file = RESULTS / read_params().data / study / f"{variant}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(file) as draft:
        write_json({"settings": settings, "quick": quick, "runs": runs}, draft)
    ems = ", ".join(f"{run['metrics']['id']['em']:.3f}" for run in runs)
    logger.info("%s, %s: EM on id %s, in %.1f s", study, variant, ems, watch.elapsed_s)


def run_variant(settings: list[str], seeds: list[int]) -> list[dict[str, Any]]:
    """Train Phi with some settings and each seed: its metrics by split, and the advantage of the pipeline's Phi."""
    workspace = open_workspace(settings)
    evaluate, runs = workspace.params.evaluate, []
    phi = read_scores(SCORES / "arms" / "arms-base.parquet")
    for seed in seeds:
        dataset, encoders = open_dataset(workspace)  # training tunes the encoders, so each seed needs fresh ones
        judge = Judge(dataset.prepared, {}, samples=evaluate.bootstrap_samples, seed=evaluate.seed)
        # Only the router gets the new seed: the features belong to encoders of the pipeline's seed.
        seeded = replace(workspace, params=workspace.params.model_copy(update={"seed": seed}))
        router = untrained_phi(seeded, dataset, encoders).fit(*training_data(seeded, dataset))
        scores = router.scores("study", "base", dataset.queries(*SCORED_SPLITS))
        runs.append(
            {
                "seed": seed,
                "metrics": {split: judge.metrics_on(split, scores) for split in ("val", *TEST_SPLITS)},
                "phi_minus_this": {split: judge.compare(phi, scores, split) for split in TEST_SPLITS},
            }
        )
    return runs


if __name__ == "__main__":
    with stage("variants"):
        main(standalone_mode=False)

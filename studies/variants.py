"""Train Phi with other settings, once for each seed, and judge it.

A variant that changes nothing is ARMS itself: it takes the runs of `studies.seeds` and trains nothing.
"""

import logging
from typing import Any

import click

from arms.data.atomic import atomic_file
from arms.data.prepared import read_prepared, write_json
from arms.data.scores import Scores
from arms.data.splits import SCORED_SPLITS, TEST_SPLITS
from arms.evaluation.judge import Judge
from arms.evaluation.seeds import SeedJudge
from arms.params.tree import read_params
from arms.progress import progress_bar
from stages.dataset import open_dataset
from stages.phi import training_data, untrained_phi
from stages.workspace import Stopwatch, Workspace, open_workspace, stage
from studies.seed_scores import read_phi_scores
from studies.settings import RESULTS, STUDIES, read_study_params, with_seed
from studies.study_claims import pack

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
    """Train Phi with some settings and each seed: its metrics by split, and the test queries that it got right."""
    workspace = open_workspace(settings)
    evaluate, runs = workspace.params.evaluate, []
    bootstrap = {"samples": evaluate.bootstrap_samples, "seed": evaluate.seed}
    judge = Judge(read_prepared(workspace.prepared), {}, **bootstrap)
    same = read_phi_scores() if workspace.params == open_workspace().params else {}
    with progress_bar("variant", "seeds") as progress:
        for done, seed in enumerate(seeds):
            progress(done, len(seeds))
            scores = same[seed] if seed in same else _trained(workspace, seed)
            correct = {split: SeedJudge(judge, **bootstrap).correct(split, [scores])[:, 0] for split in TEST_SPLITS}
            runs.append(
                {
                    "seed": seed,
                    "metrics": {split: judge.metrics_on(split, scores) for split in ("val", *TEST_SPLITS)},
                    "correct": {split: pack(of_split) for split, of_split in correct.items()},
                }
            )
        progress(len(seeds), len(seeds))
    return runs


def _trained(workspace: Workspace, seed: int) -> Scores:
    dataset, encoders = open_dataset(workspace)  # training tunes the encoders, so each seed needs fresh ones
    seeded = with_seed(workspace, seed)
    router = untrained_phi(seeded, dataset, encoders).fit(*training_data(seeded, dataset))
    return router.scores("study", "base", dataset.queries(*SCORED_SPLITS))


if __name__ == "__main__":
    with stage("variants"):
        main(standalone_mode=False)

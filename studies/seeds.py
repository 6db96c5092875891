"""Train ARMS with every seed: Phi on the base pool, both extensions of that Phi, and all joined with more.

The pipeline's own run serves as that of its seed. The other studies read these scores, so no run is trained twice.
"""

import logging
from typing import get_args

from arms.data.prepared import read_prepared
from arms.data.scores import Scores
from arms.data.splits import SCORED_SPLITS
from arms.extension.strategies import extend
from arms.params.training import Strategy
from arms.progress import progress_bar
from arms.routers.arms import ArmsRouter
from arms.routers.cascade import Net
from stages.dataset import open_dataset, open_embedded
from stages.phi import training_data, untrained_phi
from stages.safe import arms_routers
from stages.scores import read_arms
from stages.workspace import Stopwatch, Workspace, open_workspace, stage
from studies.seed_scores import FOLDER, write_seed_scores
from studies.settings import read_study_params, with_seed

logger = logging.getLogger("studies.seeds")


def main() -> None:
    """Write data/scores/seeds."""
    workspace, study, watch = open_workspace(), read_study_params(), Stopwatch()
    own = workspace.params.seed
    seeds = [own] if study.quick else study.seeds
    tables: dict[int, list[Scores]] = {}
    with progress_bar("ARMS", "seeds") as progress:
        for done, seed in enumerate(seeds):
            progress(done, len(seeds))
            tables[seed] = _pipeline_scores(workspace) if seed == own else train_arms(workspace, seed)
        progress(len(seeds), len(seeds))
    write_seed_scores(tables)
    trained = len(set(seeds) - {own})
    logger.info("trained ARMS with %d more seeds in %.1f s, wrote %s", trained, watch.elapsed_s, FOLDER)


def train_arms(workspace: Workspace, seed: int) -> list[Scores]:
    """Phi with a seed of its own, both extensions of it, and ARMS: their scores, as the stages have them."""
    seeded = with_seed(workspace, seed)
    dataset, encoders = open_dataset(workspace)
    queries = dataset.queries(*SCORED_SPLITS)
    phi = untrained_phi(seeded, dataset, encoders).fit(*training_data(seeded, dataset))
    tables = [phi.scores("plain", "base", queries)]
    extended: dict[str, Net] = {}
    for strategy in get_args(Strategy):
        router = extended[strategy] = _extended(workspace, strategy, phi)
        if isinstance(router, ArmsRouter):  # its weights serve both pools; on the base pool a cascade is just Phi
            tables.append(router.over(phi.profiles).scores(strategy, "base", queries))
        tables.append(router.scores(strategy, "extended", queries))
    pools = arms_routers(seeded, open_embedded(workspace), phi, extended[workspace.params.extend.strategy])
    return tables + [router.scores("arms", pool, queries) for pool, router in pools.items()]


def _extended(workspace: Workspace, strategy: Strategy, phi: ArmsRouter) -> Net:
    """Phi extended to the new VLMs; Phi itself if there are none."""
    dataset, untuned = open_dataset(workspace)
    prepared, params = dataset.prepared, workspace.params.extend
    if not prepared.new:
        return phi
    train, val = (dataset.labelled(split, prepared.extended) for split in ("train", "val"))
    return extend(strategy, phi, prepared.vlms, train, val, params, untuned=untuned).trained()


def _pipeline_scores(workspace: Workspace) -> list[Scores]:
    routers = read_arms(read_prepared(workspace.prepared))
    return [scores for by_pool in routers.values() for scores in by_pool.values()]


if __name__ == "__main__":
    with stage("seeds"):
        main()

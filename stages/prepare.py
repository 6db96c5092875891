"""Validate a dataset, choose its pools and split it by image."""

import logging

from arms.data.prepared import prepare_dataset, write_prepared
from arms.data.tables import read_dataset
from arms.data.validation import validate
from stages.workspace import Stopwatch, Workspace, open_workspace, stage

logger = logging.getLogger("stages.prepare")


def main() -> None:
    """Write data/prepared/<data> from data/raw/<data>."""
    prepare(open_workspace())


def prepare(workspace: Workspace) -> None:
    """Write the prepared dataset from its tables."""
    watch, data = Stopwatch(), workspace.data
    validated = validate(read_dataset(workspace.raw), strict=data.strict, workers=workspace.params.runtime.num_workers)
    if validated.report.findings:
        logger.warning("%s", validated.report.text())
    prepared = prepare_dataset(
        validated,
        base=data.pools.base,
        new=data.pools.new,
        val_share=data.splits.val_share,
        id_share=data.splits.id_share,
        seed=data.splits.seed,
        ood_benchmarks=data.ood.benchmarks,
        ood_tasks=data.ood.tasks,
    )
    write_prepared(
        prepared,
        validated.report.to_dict(),
        validated.set_aside_queries,
        validated.set_aside_outcomes,
        workspace.prepared,
    )
    splits = ", ".join(f"{count:,} {name}" for name, count in prepared.queries["split"].value_counts().items())
    logger.info("prepared %s queries (%s) in %.1f s", f"{len(prepared.queries):,}", splits, watch.elapsed_s)


if __name__ == "__main__":
    with stage("prepare"):
        main()

"""Validate a dataset, choose its pools, find its scenes and split it."""

import logging

from arms.data.prepare import prepare_dataset
from arms.data.prepared import write_prepared
from arms.data.question_lengths import describe_long_questions
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
    validated = validate(
        read_dataset(workspace.raw),
        strict=data.strict,
        workers=workspace.params.runtime.num_workers,
        thumbnail_side=data.splits.thumbnail_side,
    )
    if validated.report.findings:
        logger.warning("%s", validated.report.text())
    prepared = prepare_dataset(validated, pools=data.pools, ood=data.ood, splits=data.splits)
    write_prepared(
        prepared,
        validated.report.to_dict(),
        validated.set_aside_queries,
        validated.set_aside_outcomes,
        workspace.prepared,
    )
    # Only said: what is prepared is the same for every encoder, and `encode` counts the tokens themselves.
    if long := describe_long_questions(prepared.queries["question"].tolist(), workspace.encoders.text.max_tokens):
        logger.warning("conf/encoders/%s.yaml: %s", workspace.params.encoders, long)
    splits = ", ".join(f"{count:,} {name}" for name, count in prepared.queries["split"].value_counts().items())
    logger.info(
        "prepared %s queries of %s scenes (%s) in %.1f s",
        f"{len(prepared.queries):,}", f"{prepared.queries['scene'].nunique():,}", splits, watch.elapsed_s,
    )  # fmt: skip


if __name__ == "__main__":
    with stage("prepare"):
        main()

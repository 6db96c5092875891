"""Prepare the made-up dataset with its recorded splits, as ``stages.prepare`` does with drawn ones.

What is recorded as train is divided into train and val by picture. This module goes once ``stages.prepare`` reads the
column `split` itself.
"""

from dataclasses import replace

import pandas as pd

from arms.data.prepared import Prepared, prepare_dataset, write_prepared
from arms.data.tables import QUERIES, read_dataset
from arms.data.validation import validate
from stages.workspace import Workspace, open_workspace, stage


def main() -> None:
    """Write data/prepared/<data> from data/raw/<data>."""
    workspace, data = open_workspace(), open_workspace().data
    validated = validate(read_dataset(workspace.raw), strict=data.strict, workers=workspace.params.runtime.num_workers)
    drawn = prepare_dataset(
        validated,
        base=data.pools.base,
        new=data.pools.new,
        val_share=data.splits.val_share,
        id_share=data.splits.id_share,
        seed=data.splits.seed,
        ood_benchmarks=data.ood.benchmarks,
        ood_tasks=data.ood.tasks,
    )
    nothing = (validated.set_aside_queries, validated.set_aside_outcomes)
    write_prepared(as_recorded(drawn, workspace), validated.report.to_dict(), *nothing, workspace.prepared)


def as_recorded(drawn: Prepared, workspace: Workspace) -> Prepared:
    """The same queries in the splits of the column `split`; the drawn val stays val where train is recorded."""
    recorded = pd.read_parquet(workspace.raw / QUERIES.file, columns=["query_id", "split"])
    split = drawn.queries["query_id"].map(dict(zip(recorded["query_id"], recorded["split"], strict=True)))
    kept = drawn.queries["split"].where(split == "train", split).astype("str")
    return replace(drawn, queries=drawn.queries.assign(split=kept))


if __name__ == "__main__":
    with stage("prepare"):
        main()

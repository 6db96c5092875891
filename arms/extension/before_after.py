"""What an extension of the pool changed: the old and the new router, judged on the same queries."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from arms.data.scores import Scores
from arms.evaluation.metrics import compare, round_metrics
from arms.evaluation.outcomes import (
    FloatArray,
    IntArray,
    checked_outcomes,
    correct_of,
    is_answerable,
    select_best_single,
)
from arms.selection.select import select

_NUM_TASKS = 5


def judge_extension(
    old: Scores,
    new: Scores,
    outcomes: FloatArray,
    *,
    best_single: FloatArray,
    tasks: NDArray,
    groups: NDArray,
    samples: int,
    seed: int,
) -> dict[str, Any] | None:
    """Judge the old router in its pool and the new one in the extended pool.

    EM is over the queries that some VLM of the extended pool answers correctly, and on which some VLM of the old pool
    has a known outcome. There both routers choose only among the VLMs whose outcome is known. How often a new VLM is
    chosen needs no outcome, so it is over all queries, and over the whole pool.

    Parameters
    ----------
    old, new : Scores of N queries over S and S' VLMs; the extended pool S' holds the old pool S
    outcomes : float array of shape (N, S'), 1 correct, 0 wrong, NaN unknown
    best_single : float array of shape (S',), each VLM's accuracy on train; NaN if no outcome is known there
    tasks, groups : arrays of shape (N,), each query's task (None if unknown) and the code of its scene
    samples, seed : the number of bootstrap samples, and their seed

    Returns
    -------
    dict or None
        None if there is no query to judge on, else these.

        - `queries`: how many are judged; `queries_with_new`: on how many of them a new VLM's outcome is known.
        - `old_em`, `new_em`, and their `difference` with its paired 95 % interval `low` and `high`.
        - `best_single_em`: the EM of the VLM of highest train accuracy among those known on each query;
          `best_single`: the VLM that this is most often.
        - `new_chosen`: the share of queries on which a new VLM is chosen; `new_chosen_by_task`: the tasks where it is
          highest.
    """
    outcomes = checked_outcomes(outcomes)
    old_outcomes = outcomes[:, [new.vlms.index(vlm) for vlm in old.vlms]]
    kept = is_answerable(outcomes) & ~np.isnan(old_outcomes).all(axis=1)
    if not kept.any():
        return None
    single = select_best_single(best_single, outcomes)
    before = correct_of(_replay(old, old_outcomes), old_outcomes)[kept]
    after = correct_of(_replay(new, outcomes), outcomes)[kept]
    is_new = np.array([vlm not in old.vlms for vlm in new.vlms])
    chosen = is_new[select(new.confidence, new.policy, new.vlms)]
    return round_metrics(
        {
            "queries": int(kept.sum()),
            "queries_with_new": int((~np.isnan(outcomes[kept][:, is_new])).any(axis=1).sum()),
            "old_em": float(before.mean()),
            "new_em": float(after.mean()),
            **compare(after, before, groups[kept], samples, seed),
            "best_single": new.vlms[int(np.bincount(single[kept]).argmax())],
            "best_single_em": float(correct_of(single, outcomes)[kept].mean()),
            "new_chosen": float(chosen.mean()),
            "new_chosen_by_task": _by_task(chosen, tasks),
        }
    )


def extension_text(split: str, changes: dict[str, Any]) -> str:
    """What `judge_extension` found on a split, as lines to read."""
    chosen = f"on {changes['new_chosen']:.1%} of the queries"
    if tasks := changes["new_chosen_by_task"]:
        chosen += f", most in {', '.join(f'{task} ({share:.0%})' for task, share in tasks.items())}"
    return "\n".join(
        [
            f"{split}, {changes['queries']:,} queries, a new VLM's outcome is known on "
            f"{changes['queries_with_new']:,}:",
            f"  EM {changes['new_em']:.3f}, before {changes['old_em']:.3f}: {changes['difference']:+.3f} "
            f"({changes['low']:+.3f} to {changes['high']:+.3f})",
            f"  best single VLM {changes['best_single_em']:.3f}: {changes['best_single']}",
            f"  a new VLM is chosen {chosen}",
        ]
    )


def _replay(scores: Scores, outcomes: FloatArray) -> IntArray:
    """The VLM chosen for each query among those whose outcome is known, as a position in the pool."""
    return select(scores.confidence, scores.policy, scores.vlms, ~np.isnan(outcomes))


def _by_task(chosen: NDArray[np.bool_], tasks: NDArray) -> dict[str, float]:
    """The share chosen in the tasks where it is highest and not zero; None is shown as "unknown"."""
    shares = pd.Series(chosen).groupby(pd.Series(tasks).fillna("unknown").to_numpy()).mean()
    ranked = sorted(
        ((float(share), str(task)) for task, share in shares.items() if share), key=lambda row: (-row[0], row[1])
    )
    return {task: share for share, task in ranked[:_NUM_TASKS]}

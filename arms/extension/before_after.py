"""What an extension of the pool changed: the old and the new router, judged on the same queries."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from arms.data.scores import Scores
from arms.evaluation.metrics import compare, known_mean, round_metrics
from arms.evaluation.outcomes import (
    FloatArray,
    IntArray,
    checked_outcomes,
    correct_of,
    is_answerable,
    is_complete,
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

    Both are judged on the complete cases of the extended pool. A query without an outcome of a new VLM would add
    exactly nothing to the difference, however much the new VLM helps. A VLM of the old pool without any outcome among
    these queries has no part in this: it cannot be chosen, and no query need have its outcome.

    A partial replay comes second: on every query on which some VLM of the old pool has an outcome, both routers choose
    among the VLMs whose outcome is known there. Its difference is biased towards 0.

    How often a new VLM is chosen needs no outcome, so it is over all queries, and over the whole pool.

    Parameters
    ----------
    old, new : Scores of N queries over S and S' VLMs; the extended pool S' holds the old pool S
    outcomes : float array of shape (N, S'), 1 correct, 0 wrong, NaN unknown
    best_single : float array of shape (S',), each VLM's accuracy on train, from `singles.comparable_accuracy`
    tasks, groups : arrays of shape (N,), each query's task (None if unknown) and the code of its scene
    samples, seed : the number of bootstrap samples, and their seed

    Returns
    -------
    dict or None
        None without an answerable query to judge on; otherwise these.

        - `queries_all`: how many complete cases there are; `queries`: how many of them are answerable;
          `queries_incomplete`: how many queries are left out.
        - `old_em`, `new_em`, and their `difference` with its paired 95 % interval `low` and `high`, over the answerable
          queries; `old_em_all` and `new_em_all` over all of them.
        - `best_single`: the VLM of highest train accuracy; `best_single_em`, `best_single_em_all`: its EM.
        - `partial`: the same of a partial replay, where it has more queries; in it `best_single` is the VLM that is
          most often the best of those known on a query, and `queries_with_new` counts the answerable queries with an
          outcome of a new VLM.
        - `new_chosen`: the share of queries on which a new VLM is chosen; `new_chosen_by_task`: the tasks where it is
          highest.

        What is undefined, such as an EM without complete cases, is None.
    """
    outcomes = checked_outcomes(outcomes)
    is_new = np.array([vlm not in old.vlms for vlm in new.vlms])
    old_outcomes = outcomes[:, [new.vlms.index(vlm) for vlm in old.vlms]]
    replayed = np.asarray(~np.isnan(old_outcomes).all(axis=1))
    complete = replayed & is_complete(outcomes[:, is_new | ~np.isnan(outcomes).all(axis=0)])
    if not (replayed & is_answerable(outcomes)).any():
        return None
    single = select_best_single(best_single, outcomes)
    correct = {
        "old_em": correct_of(_replay(old, old_outcomes), old_outcomes),
        "new_em": correct_of(_replay(new, outcomes), outcomes),
        "best_single_em": correct_of(single, outcomes),
    }

    def judge(rows: NDArray[np.bool_]) -> dict[str, Any]:
        kept = rows & is_answerable(outcomes)
        before, after = correct["old_em"][kept], correct["new_em"][kept]
        return {
            "queries": int(kept.sum()),
            "queries_all": int(rows.sum()),
            **{name: known_mean(values[kept]) for name, values in correct.items()},
            **{f"{name}_all": known_mean(values[rows]) for name, values in correct.items()},
            **compare(after, before, groups[kept], samples, seed),
            "best_single": new.vlms[int(np.bincount(single[kept]).argmax())] if kept.any() else None,
        }

    changes = judge(complete) | {"queries_incomplete": int((~complete).sum())}
    if (replayed & ~complete).any():
        with_new = replayed & is_answerable(outcomes) & ~np.isnan(outcomes[:, is_new]).all(axis=1)
        changes["partial"] = judge(replayed) | {"queries_with_new": int(with_new.sum())}
    chosen = is_new[select(new.confidence, new.policy, new.vlms)]
    shares = {"new_chosen": float(chosen.mean()), "new_chosen_by_task": _by_task(chosen, tasks)}
    return round_metrics(changes | shares)


def extension_text(split: str, changes: dict[str, Any]) -> str:
    """What `judge_extension` found on a split, as lines to read."""
    chosen = f"on {changes['new_chosen']:.1%} of the queries"
    if tasks := changes["new_chosen_by_task"]:
        chosen += f", most in {', '.join(f'{task} ({share:.0%})' for task, share in tasks.items())}"
    count = changes["queries_all"] + changes["queries_incomplete"]
    lines = [
        f"{split}, {changes['queries_all']:,} of {count:,} queries have an outcome of every VLM, "
        f"{changes['queries']:,} of them answerable:"
    ]
    if changes["queries"]:
        lines += _em_lines(changes)
    else:
        lines.append("  EM unknown: no answerable query has an outcome of every VLM")
    if partial := changes.get("partial"):
        lines += [
            f"  partial replay, biased towards no change: {partial['queries']:,} answerable of "
            f"{partial['queries_all']:,} queries, {partial['queries_with_new']:,} with a new VLM's outcome:",
            *(f"  {line}" for line in _em_lines(partial)),
        ]
    return "\n".join([*lines, f"  a new VLM is chosen {chosen}"])


def _em_lines(values: dict[str, Any]) -> list[str]:
    if values["difference"] is None:
        return []
    return [
        f"  EM {values['new_em']:.3f}, before {values['old_em']:.3f}: {values['difference']:+.3f} "
        f"({values['low']:+.3f} to {values['high']:+.3f})",
        f"  EM over all queries {values['new_em_all']:.3f}, before {values['old_em_all']:.3f}",
        f"  best single VLM {values['best_single_em']:.3f}, over all queries {values['best_single_em_all']:.3f}: "
        f"{values['best_single']}",
    ]


def _replay(scores: Scores, outcomes: FloatArray) -> IntArray:
    """The VLM chosen for each query among those whose outcome is known, as a position in the pool; -1 if none is."""
    return select(scores.confidence, scores.policy, scores.vlms, ~np.isnan(outcomes))


def _by_task(chosen: NDArray[np.bool_], tasks: NDArray) -> dict[str, float]:
    """The share chosen in the tasks where it is highest and not zero; None is shown as "unknown"."""
    shares = pd.Series(chosen).groupby(pd.Series(tasks).fillna("unknown").to_numpy()).mean()
    ranked = sorted(
        ((float(share), str(task)) for task, share in shares.items() if share), key=lambda row: (-row[0], row[1])
    )
    return {task: share for share, task in ranked[:_NUM_TASKS]}

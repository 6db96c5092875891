"""What routers gain on kinds of queries that they never saw: each kind left out of training in turn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arms.evaluation.bootstrap import bootstrap_means, interval
from arms.evaluation.outcomes import FloatArray

Record = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Fold:
    """One kind of queries, left out of training: N queries on which every VLM of the pool has an outcome.

    Attributes
    ----------
    correct : float array of shape (N, R), in [0, 1]
        Whether each router's choice was right; with several seeds, the share of them.
    single : float array of shape (N,), 0 or 1
        Whether the best single VLM was, chosen on the queries that the fold trained on.
    answerable : bool array of shape (N,)
        Whether any VLM was.
    groups : array of shape (N,)
        The scene of each query; one code is one scene in all folds.
    """

    correct: FloatArray
    single: FloatArray
    answerable: NDArray[np.bool_]
    groups: NDArray


def judge_folds(folds: Mapping[str, Fold], routers: Sequence[str], samples: int, seed: int) -> dict[str, Record]:
    """Judge R routers by the mean of their gains over all folds, and by their worst fold.

    Every fold counts the same, however many queries it has. Scenes are resampled, the folds are not: the intervals are
    those of these kinds, not of kinds that nobody recorded. All routers and all folds share the draws, as queries of
    two kinds about one scene succeed and fail together.

    Parameters
    ----------
    folds : mapping of str to Fold; those without an answerable query are left out
    routers : R names
    samples, seed : the bootstrap's draws and their seed

    Returns
    -------
    dict of str to dict
        For each router `macro` and `worst`, {"gain", "gain_low", "gain_high", "em", "em_all", "best_single_em"}, with
        the 95 % interval of the gain; `worst` has `fold` and the interval of that fold by itself. `folds` has the same
        for each fold, with `queries` and `queries_all`. EM and gain are over the answerable queries, `em_all` is over
        all.

    Raises
    ------
    ValueError
        If no fold has an answerable query.
    """
    used = {name: fold for name, fold in folds.items() if fold.answerable.any()}
    if not used:
        raise ValueError(f"judge_folds: expected a fold with answerable queries, got none among {', '.join(folds)}")
    draws_BFR = _gain_draws(list(used.values()), samples, seed)
    macro_draws = np.nanmean(draws_BFR, axis=1)
    judged: dict[str, Record] = {}
    for place, router in enumerate(routers):
        of_folds = {
            name: _record(fold, place, draws_BFR[:, row, place]) for row, (name, fold) in enumerate(used.items())
        }
        worst = min(of_folds, key=lambda name: of_folds[name]["gain"])
        keys = ("gain", "em", "em_all", "best_single_em")
        low, high = interval(macro_draws[:, place])
        judged[router] = {
            "macro": {key: float(np.mean([of[key] for of in of_folds.values()])) for key in keys}
            | {"gain_low": low, "gain_high": high},
            "worst": {"fold": worst} | {key: of_folds[worst][key] for key in (*keys, "gain_low", "gain_high")},
            "folds": of_folds,
        }
    return judged


def _gain_draws(folds: Sequence[Fold], samples: int, seed: int) -> NDArray[np.float64]:
    """The gains over the best single VLM in each resample: shape (B, F, R), NaN where it has no scene of the fold."""
    gains = [(fold.correct - fold.single[:, None])[fold.answerable] for fold in folds]
    num_rows, num_routers = sum(map(len, gains)), gains[0].shape[1]
    values, start = np.full((num_rows, len(folds), num_routers), np.nan), 0
    for row, of_fold in enumerate(gains):
        values[start : start + len(of_fold), row] = of_fold
        start += len(of_fold)
    scenes = np.concatenate([np.asarray(fold.groups)[fold.answerable] for fold in folds])
    draws = bootstrap_means(values.reshape(num_rows, -1), scenes, samples, seed)
    return draws.reshape(len(draws), len(folds), num_routers)


def _record(fold: Fold, place: int, draws: NDArray[np.float64]) -> Record:
    correct, kept = fold.correct[:, place], fold.answerable
    low, high = interval(draws)
    return {
        "gain": float((correct - fold.single)[kept].mean()),
        "gain_low": low,
        "gain_high": high,
        "em": float(correct[kept].mean()),
        "em_all": float(correct.mean()),
        "best_single_em": float(fold.single[kept].mean()),
        "queries": int(kept.sum()),
        "queries_all": len(kept),
    }

"""Which VLMs to ask in turn, and when to stop: the search for FrugalGPT's cascade (arXiv:2305.05176, section 3)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np


@dataclass(frozen=True)
class Plan:
    """A list of VLMs to ask in turn.

    Attributes
    ----------
    vlms : tuple of int
        Positions in the pool.
    thresholds : tuple of float
        An answer is taken if its score is above its VLM's threshold; otherwise the next VLM is asked. There is one
        fewer than `vlms`, as the last answer is always taken.
    """

    vlms: tuple[int, ...]
    thresholds: tuple[float, ...]

    def follow(
        self, scores_NS: np.ndarray, recorded_NS: np.ndarray, preference: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Replay the plan on recorded answers.

        A VLM without a recorded answer is skipped. If no VLM of the plan has one, the first VLM of `preference`
        (positions in the pool) with a recorded answer is asked and taken.

        Returns
        -------
        taken : ndarray of shape (N,), int64
            The VLM whose answer is taken; -1 if no answer is recorded.
        asked : ndarray of shape (N, S), bool
            The VLMs that were asked.
        """
        taken_N = first_recorded(recorded_NS, preference)
        left_N = recorded_NS[:, list(self.vlms)].any(axis=1)
        asked_NS = np.zeros_like(recorded_NS)
        others_N = ~left_N & (taken_N >= 0)
        asked_NS[others_N, taken_N[others_N]] = True
        for place, (vlm, threshold) in enumerate(zip(self.vlms, (*self.thresholds, -np.inf), strict=True)):
            here_N = left_N & recorded_NS[:, vlm]
            more_N = recorded_NS[:, list(self.vlms[place + 1 :])].any(axis=1)
            take_N = here_N & ((scores_NS[:, vlm] > threshold) | ~more_N)
            asked_NS[here_N, vlm] = True
            taken_N[take_N] = vlm
            left_N &= ~take_N
        return taken_N, asked_NS


def first_recorded(recorded_NS: np.ndarray, preference: np.ndarray) -> np.ndarray:
    """The first VLM of `preference` with a recorded answer, int64 of shape (N,); -1 if no VLM has one."""
    ordered_NS = recorded_NS[:, preference]
    return np.where(ordered_NS.any(axis=1), preference[ordered_NS.argmax(axis=1)], -1)


def shortlist(share_S: np.ndarray, cost_S: np.ndarray, size: int) -> list[int]:
    """The VLMs to search among: in turn the best one left by share of right answers, and by that share per cost.

    The first kind brings accuracy, the second saves cost. A pool of up to `size` VLMs is taken whole. The list is in
    falling order of share.
    """
    per_cost_S = share_S / np.maximum(cost_S, 1e-12 + 1e-9 * cost_S.max(initial=0))
    orders = [list(np.argsort(-value_S, kind="stable")) for value_S in (share_S, per_cost_S)]
    chosen: list[int] = []
    while len(chosen) < min(size, len(share_S)):
        order = orders[len(chosen) % 2]
        chosen.append(int(next(vlm for vlm in order if vlm not in chosen)))
    return [int(vlm) for vlm in orders[0] if vlm in chosen]


@dataclass(frozen=True, eq=False)
class _Tail:
    """The end of a list, with R choices of its thresholds, replayed on N queries."""

    vlms: tuple[int, ...]
    thresholds: list[tuple[float, ...]]
    right_RN: np.ndarray  # 1 where the answer that is taken is right
    cost_RN: np.ndarray
    some_N: np.ndarray  # whether any of these VLMs has an answer

    def with_head(self, vlm: int, search: "_Search") -> Self:
        """The list with one more VLM in front."""
        take_TN, thresholds = self._takes(vlm, search)
        right_TRN = np.where(take_TN[:, None], search.right_NS[:, vlm], self.right_RN)
        cost_TRN = np.where(take_TN[:, None], 0, self.cost_RN) + search.cost_NS[:, vlm]
        size = len(search.right_NS)
        some_N = self.some_N | search.known_NS[:, vlm]
        return type(self)(
            (vlm, *self.vlms), thresholds, right_TRN.reshape(-1, size), cost_TRN.reshape(-1, size), some_N
        )

    def totals_with_head(self, vlm: int, search: "_Search") -> tuple[list[tuple[float, ...]], np.ndarray, np.ndarray]:
        """Thresholds, right answers and cost, summed over all queries, of the list with one more VLM in front.

        These are the sums of `with_head`, by matrix products that need no array of all choices and queries.
        """
        take_TN, thresholds = self._takes(vlm, search)
        passed_TN = (~take_TN).astype(np.float64)
        right_TR = (take_TN @ search.right_NS[:, vlm])[:, None] + passed_TN @ self.right_RN.T
        cost_TR = search.cost_NS[:, vlm].sum() + passed_TN @ self.cost_RN.T
        return thresholds, right_TR.ravel(), cost_TR.ravel()

    def _takes(self, vlm: int, search: "_Search") -> tuple[np.ndarray, list[tuple[float, ...]]]:
        """Where the head's answer is taken at each of its T thresholds, and the T x R thresholds of the whole list."""
        known_N = search.known_NS[:, vlm]
        if not self.vlms:  # the last one is always taken
            return known_N[None], [()]
        grid_T = search.grids[vlm]
        take_TN = known_N & ((search.scores_NS[:, vlm] > grid_T[:, None]) | ~self.some_N)
        return take_TN, [(float(head), *rest) for head in grid_T for rest in self.thresholds]


class _Search:
    """The scores, outcomes and costs on which all lists are judged."""

    def __init__(self, scores_NS: np.ndarray, outcomes_NS: np.ndarray, cost_S: np.ndarray, num_thresholds: int) -> None:
        self.scores_NS = scores_NS
        self.known_NS = ~np.isnan(outcomes_NS)
        self.right_NS = np.nan_to_num(outcomes_NS).astype(np.float64)
        self.cost_NS = self.known_NS * cost_S
        levels_T = np.linspace(0, 1, num_thresholds + 2)[1:-1]
        self.grids = [
            np.unique(np.quantile(scores_N[known_N], levels_T)) if known_N.any() else np.zeros(1)
            for scores_N, known_N in zip(scores_NS.T, self.known_NS.T, strict=True)
        ]

    def nothing_asked(self, preference: np.ndarray) -> _Tail:
        """The empty list: each query goes to the first VLM of `preference` with a known outcome."""
        taken_N = first_recorded(self.known_NS, preference)
        rows_N = np.arange(len(taken_N))
        some_N = taken_N >= 0
        right_N = np.where(some_N, self.right_NS[rows_N, taken_N], 0)
        cost_N = np.where(some_N, self.cost_NS[rows_N, taken_N], 0)
        return _Tail((), [()], right_N[None], cost_N[None], np.zeros(len(taken_N), dtype=bool))


def search_plan(
    scores_NS: np.ndarray,
    outcomes_NS: np.ndarray,
    cost_S: np.ndarray,
    *,
    pool: list[int],
    preference: np.ndarray,
    length: int,
    num_thresholds: int,
    max_cost: float,
) -> tuple[Plan, float]:
    """Find the plan with the most right answers whose mean cost per query is within a limit; of equals the cheapest.

    Every list of up to `length` VLMs is tried, with every choice of thresholds from quantiles of each VLM's scores. If
    no plan is within the limit, the cheapest one is returned.

    Parameters
    ----------
    scores_NS : ndarray of shape (N, S)
        How good each answer looks.
    outcomes_NS : ndarray of shape (N, S)
        1 right, 0 wrong, NaN if it is unknown or no answer is recorded; then the VLM is skipped.
    cost_S : ndarray of shape (S,)
        What a VLM's answer costs.
    pool : list of int
        The VLMs to search among, in the order of trying; of plans that are equal in every way the first is taken.
    preference : ndarray of int
        See `Plan.follow`.
    length, num_thresholds : int
    max_cost : float
        In the unit of `cost_S`.

    Returns
    -------
    plan : Plan
    cost : float
        Its mean cost per query with a known outcome; 0 if there is no such query.
    """
    search = _Search(scores_NS, outcomes_NS, cost_S, num_thresholds)
    num_queries = max(1, int(search.known_NS.any(axis=1).sum()))
    best: tuple[tuple[float, ...], Plan, float] | None = None
    for head, tail in _all_lists(search.nothing_asked(preference), pool, length, search):
        thresholds, right_C, cost_C = tail.totals_with_head(head, search)
        cost_C = cost_C / num_queries
        fits_C = cost_C <= max_cost * (1 + 1e-9)
        # Plans that fit come first, most right answers first; then those that do not, cheapest first.
        keys = (cost_C, np.where(fits_C, -right_C, cost_C), ~fits_C)
        place = int(np.lexsort(keys)[0])
        key = tuple(float(values[place]) for values in reversed(keys))
        if best is None or key < best[0]:
            best = key, Plan((head, *tail.vlms), thresholds[place]), float(cost_C[place])
    assert best is not None  # `pool` holds a VLM
    return best[1], best[2]


def _all_lists(tail: _Tail, pool: list[int], length: int, search: _Search) -> Iterator[tuple[int, _Tail]]:
    """Every list of up to `length` VLMs that ends in `tail`, as its head and the rest."""
    for head in pool:
        if head not in tail.vlms:
            yield head, tail
            if len(tail.vlms) + 2 <= length:
                yield from _all_lists(tail.with_head(head, search), pool, length, search)

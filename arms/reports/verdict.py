"""The verdict on one's own data, in words: whether to route, which router to use, and what more data would bring."""

from collections.abc import Mapping, Sequence
from typing import Any

from arms.evaluation.learning_curve import FARTHEST, fit_line, queries_to_reach
from arms.reports.complete_cases import NONE_COMPLETE
from arms.reports.markdown import number, signed, with_interval

ARMS, SINGLE, KNN = "arms", "best-single", "knn"
SPLIT, POOL = "id", "extended"
# These are no choice: they know the outcomes, choose blindly, or always take one VLM.
_NO_CHOICE = {"oracle", "random", SINGLE}
_NOTHING = 0.005  # a rise in EM that is not worth its name
_CURVE_COMMAND = "dvc repro studies/dvc.yaml:curve"

Metrics = Mapping[str, Any]  # router -> split -> pool -> metrics
Pairs = Sequence[Mapping[str, Any]]  # of `Judge.pairs`


def verdict(metrics: Metrics, singles: Mapping[str, Any], pairs: Pairs, folders: Mapping[str, str]) -> list[str]:
    """Whether to route and with which router, by the split id and the extended pool.

    Something is claimed only where the interval of a difference, corrected for all pairs of routers, leaves out 0.

    Parameters
    ----------
    metrics : mapping
        router -> split -> pool -> metrics; of the routers that are shown.
    singles : mapping
        split -> pool -> VLM -> its metrics.
    pairs : sequence
        The records of `Judge.pairs`.
    folders : mapping
        Where each router is saved that can be routed with.
    """
    arms = metrics[ARMS][SPLIT].get(POOL) or metrics[ARMS][SPLIT]["base"]
    pool = POOL if POOL in metrics[ARMS][SPLIT] else "base"
    if arms["em"] is None:
        return [
            f"**Nothing can be said yet:** {NONE_COMPLETE} on the split id. Ask every VLM some of the same queries, in "
            "all splits."
        ]
    here = {
        name: of[SPLIT][pool]
        for name, of in metrics.items()
        if name in folders and name not in _NO_CHOICE and of.get(SPLIT, {}).get(pool, {}).get("em") is not None
    }
    single = _best_single(arms, singles.get(SPLIT, {}).get(pool, {}))
    better = [name for name in here if _claim(pairs, pool, name, SINGLE) == "better"]
    sentences = [_whether(arms, single, ARMS in better, _claim(pairs, pool, ARMS, SINGLE) == "worse", better)]
    sentences.append(_which(here, pairs, pool, folders, better))
    return [*sentences, *_costs(arms, metrics.get(SINGLE, {}).get(SPLIT, {}).get(pool, {}), single), *_unseen(metrics)]


def more_data(curve: Mapping[str, Any] | None) -> list[str]:
    """What more queries would bring ARMS, by the learning curve; how to get the curve where there is none."""
    if curve is None:
        return [f"How much more data would bring is not measured yet. Run: `{_CURVE_COMMAND}`"]
    queries, routers = curve["queries"], curve["routers"]
    ems = {name: [point["em"] for point in points] for name, points in routers.items()}
    if any(em is None for values in ems.values() for em in values):
        return [f"No learning curve: {NONE_COMPLETE} on the split id, base pool."]
    name = ARMS if ARMS in ems else next(iter(ems))
    last, line = queries[-1], fit_line(queries, ems[name])
    parts = [
        f"With {last:,} training queries {_title(name)} has an EM of {number(ems[name][-1])} (base pool, split id)."
    ]
    if line is not None:
        more = [f"{number(line.at(times * last))} with {times * last:,.0f}" for times in (2, FARTHEST)]
        word = "rises" if line.at(FARTHEST * last) - line.at(last) >= _NOTHING else "does not rise"
        parts.append(
            f"The curve {word} with more of them: by the line through it, EM is {number(line.at(last))} now, "
            f"{' and '.join(more)}. That is a guess from {len(queries)} points, not a promise."
        )
    if name == ARMS and KNN in ems:
        parts.append(_against(queries, ems[ARMS], ems[KNN], "kNN"))
    if name == ARMS:
        parts.append(_against(queries, ems[ARMS], [curve["best_single_em"]] * len(queries), "the best single VLM"))
    return parts


def _against(queries: Sequence[int], own: Sequence[float], other: Sequence[float], name: str) -> str:
    needed = queries_to_reach(queries, own, other)
    if needed is None:
        return f"ARMS is behind {name}, and up to {FARTHEST:g} times as many queries the curves do not meet."
    if needed > queries[-1]:
        return f"ARMS is behind {name}; by the lines through both curves it draws level at about {needed:,} queries."
    return f"ARMS is not behind {name} from {needed:,} training queries on."


def _whether(arms: Mapping[str, Any], single: str, gains: bool, loses: bool, better: Sequence[str]) -> str:
    """Whether a router beats always asking one VLM."""
    numbers = f"EM {number(arms['em'])} against {number(arms['best_single_em'])} for always asking {single}"
    gain = f"a gain of {with_interval(arms, 'gain', sign=True)} on {arms['queries']:,} test queries"
    if gains:
        return f"**Route: ARMS beats the best single VLM.** {numbers}: {gain}, beyond what chance explains."
    if better:
        return f"**Route, but not with ARMS:** it is level with the best single VLM here. {numbers}: {gain}."
    if loses:
        return f"**Do not route: always ask {single}.** ARMS is below it: {numbers}, {gain}."
    return (
        f"**Routing brings no gain that can be told from chance here.** {numbers}: {gain}. You lose nothing by always "
        f"asking {single}; more test queries would narrow the interval, more training queries may raise the gain."
    )


def _which(here: Metrics, pairs: Pairs, pool: str, folders: Mapping[str, str], better: Sequence[str]) -> str:
    """Which router to take, if one is taken."""
    beats_arms = [name for name in here if name != ARMS and _claim(pairs, pool, name, ARMS) == "better"]
    candidates = beats_arms or ([ARMS] if ARMS in better or not better else list(better))
    chosen = max(candidates, key=lambda name: here[name]["em"])
    first = max(here, key=lambda name: here[name]["em"])
    text = f"Router to use: **{_title(chosen)}**, `arms route --router {folders[chosen]}`."
    if first != chosen:
        difference = signed(here[first]["em"] - here[chosen]["em"])
        text += f" {_title(first)} has the highest EM ({difference}), which may be chance."
    return text


def _costs(arms: Mapping[str, Any], single: Mapping[str, Any], name: str) -> list[str]:
    """What ARMS costs beside the best single VLM, where costs are known."""
    own, other = arms.get("cost_usd_per_1k"), single.get("cost_usd_per_1k")
    if own is None or other is None:
        return []
    return [f"1,000 queries cost USD {own:.3g} with ARMS, USD {other:.3g} with {name}."]


def _unseen(metrics: Metrics) -> list[str]:
    """What ARMS gains on what was held out of training."""
    pools = metrics[ARMS].get("ood", {})
    of = pools.get(POOL) or pools.get("base") or {}
    if of.get("em") is None:
        return []
    return [f"On what was held out of training (ood), the gain of ARMS is {with_interval(of, 'gain', sign=True)}."]


def _claim(pairs: Pairs, pool: str, router: str, other: str) -> str:
    """Whether a router is better or worse than another one beyond chance, or level."""
    for pair in pairs:
        if (pair["split"], pair["pool"]) != (SPLIT, pool) or {pair["router"], pair["other"]} != {router, other}:
            continue
        low, high = pair["claim_low"], pair["claim_high"]
        if low is None or low <= 0 <= high:
            return "level"
        return "better" if (low > 0) == (pair["router"] == router) else "worse"
    return "level"


def _best_single(arms: Mapping[str, Any], singles: Mapping[str, Any]) -> str:
    """The name of the VLM that was best on train, by its EM here."""
    names = [name for name, of in singles.items() if of["em"] == arms["best_single_em"]]
    return names[0] if len(names) == 1 else "the best single VLM"


def _title(router: str) -> str:
    return {ARMS: "ARMS", KNN: "kNN"}.get(router, router)

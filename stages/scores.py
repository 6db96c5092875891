"""The score tables of the routers' stages, by router and pool."""

from arms.data.scores import Scores, read_scores
from arms.params import Strategy
from stages.workspace import SCORES

ByPool = dict[str, Scores]
NETS = ("plain", "incremental", "independent")  # folders in data/scores: Phi's, and one for each strategy
ARMS = (*NETS, "arms")


def read_routers(strategy: Strategy, *more: str) -> dict[str, ByPool]:
    """Read the score tables of ARMS, and of the routers in more folders of data/scores.

    `plain` is Phi on the base pool and the chosen strategy on the extended one; `arms` is these, joined with more.
    """
    routers: dict[str, ByPool] = {}
    for folder in (*ARMS, *more):
        for file in sorted((SCORES / folder).glob("*.parquet")):
            scores = read_scores(file)
            routers.setdefault(scores.router, {})[scores.pool] = scores
    routers["plain"]["extended"] = routers[strategy]["extended"]
    return routers


def without_twin(routers: dict[str, ByPool], strategy: Strategy) -> dict[str, ByPool]:
    """The routers without the chosen strategy's scores on the extended pool, which `plain` has already."""
    shown = dict(routers)
    shown[strategy] = {pool: scores for pool, scores in routers[strategy].items() if pool != "extended"}
    return {name: by_pool for name, by_pool in shown.items() if by_pool}

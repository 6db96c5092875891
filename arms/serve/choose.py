"""From the router's ranking to the VLM that is asked first, with the chance with which it was taken."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from arms.serve.explore import draw


@dataclass(frozen=True)
class Choice:
    """Who is asked, and why.

    Attributes
    ----------
    order : tuple of str
        The VLMs in the order in which they are asked.
    greedy : str
        What the policy would have chosen.
    propensity : float
        The chance with which the first one was taken.
    reason : str
        See `arms.serve.decisions.Decision`.
    """

    order: tuple[str, ...]
    greedy: str
    propensity: float
    reason: str

    @property
    def chosen(self) -> str:
        """Who is asked first."""
        return self.order[0]


def affordable(ranking: Sequence[str], costs: Mapping[str, float], budget_usd: float | None) -> list[str]:
    """The VLMs of a ranking that are expected to cost a budget at most; if none is, the cheapest.

    A VLM of unknown cost is taken only where no cost is known.
    """
    if budget_usd is None:
        return list(ranking)
    within = [vlm for vlm in ranking if costs.get(vlm, float("inf")) <= budget_usd]
    return within or [min(ranking, key=lambda vlm: costs.get(vlm, float("inf")))]


def choose(ranking: Sequence[str], sticky: str | None, explore: float, shadow: str | None, random: Random) -> Choice:
    """Who is asked.

    Parameters
    ----------
    ranking : sequence of str
        The policy's choice first.
    sticky : str or None
        The VLM that the session stays with.
    explore : float
        The share of requests for which it is drawn.
    shadow : str or None
        The VLM that answers everything, while the router only decides.
    """
    greedy = ranking[0]
    if shadow is not None:
        return Choice(_first(shadow, ranking), greedy, 1.0, "shadow")
    if sticky is not None:
        return Choice(_first(sticky, ranking), greedy, 1.0, "sticky")
    drawn = draw(greedy, ranking, explore, random)
    return Choice(_first(drawn.vlm, ranking), greedy, drawn.propensity, "policy" if drawn.vlm == greedy else "explore")


def _first(vlm: str, ranking: Sequence[str]) -> tuple[str, ...]:
    return (vlm, *(other for other in ranking if other != vlm))

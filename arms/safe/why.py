"""Why a query goes where it goes: how new it is, what decided, and what happened on the queries most like it."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from arms.safe.evidence import Evidence
from arms.safe.joint import Joint
from arms.safe.memory import Found, Memory

Decider = Literal["net", "neighbours", "default"]
SHOWN_NEIGHBOURS = 5


@dataclass(frozen=True)
class Neighbour:
    """A training query like the routed one, and which VLMs of the pool were right and wrong on it."""

    query_id: str
    similarity: float
    right: tuple[str, ...]
    wrong: tuple[str, ...]


@dataclass(frozen=True)
class Why:
    """What stands behind a route.

    Attributes
    ----------
    novelty : float, at least 0
        1 less the mean cosine of the nearest training queries: near 0 for copies of training queries.
    trust : float, in [0, 1]
        How much of what net and neighbours say counts at this novelty.
    default : str
        The best single VLM.
    surest : str
        The VLM of the whole pool that the router is surest of. Costs, or VLMs that are left out, may make it choose
        another.
    beats_default : float
        The chance that the surest VLM is right, if only one of it and the default is; 0.5 if it is the default.
    decided_by : "net", "neighbours" or "default"
        What spoke most for the surest VLM over the default; default if that is the surest.
    neighbours : tuple of Neighbour
        The nearest training queries, nearest first.
    """

    novelty: float
    trust: float
    default: str
    surest: str
    beats_default: float
    decided_by: Decider
    neighbours: tuple[Neighbour, ...]


def explain(joint: Joint, memory: Memory, vlms: tuple[str, ...], evidence: Evidence, found: Found) -> list[Why]:
    """Why each of M queries goes where it goes.

    Parameters
    ----------
    vlms : tuple of S str
        The pool.
    evidence, found
        Of the queries.
    """
    scores, parts = joint.scores(evidence), joint.parts(evidence)
    first, chance = scores.argmax(axis=1), joint.beats_default(scores)
    trust = joint.trust.at(evidence.novelty, evidence.forms)
    return [
        Why(
            novelty=float(evidence.novelty[row]),
            trust=float(trust[row]),
            default=vlms[joint.default],
            surest=vlms[first[row]],
            beats_default=float(chance[row]),
            decided_by=_decider({name: part[row] for name, part in parts.items()}, int(first[row]), joint.default),
            neighbours=_neighbours(memory, vlms, found.similarity[row], found.rows[row]),
        )
        for row in range(len(evidence))
    ]


def _decider(parts: dict[str, np.ndarray], first: int, default: int) -> Decider:
    if first == default:
        return "default"
    net, neighbours = (part[first] - part[default] for part in (parts["net"], parts["neighbours"]))
    return "net" if net > neighbours else "neighbours"


def _neighbours(
    memory: Memory, vlms: tuple[str, ...], similarity: np.ndarray, rows: np.ndarray
) -> tuple[Neighbour, ...]:
    shown = [(float(cosine), int(row)) for cosine, row in zip(similarity, rows, strict=True) if row >= 0]
    names = np.array(vlms)
    return tuple(
        Neighbour(
            memory.ids[row],
            cosine,
            tuple(names[memory.outcomes[row] == 1].tolist()),
            tuple(names[memory.outcomes[row] == 0].tolist()),
        )
        for cosine, row in shown[:SHOWN_NEIGHBOURS]
    )

"""Learning how to join net, memory and base rates, and how to join them with new VLMs."""

from collections.abc import Sequence

import numpy as np
from scipy.special import logit

from arms.features.labelled import Labelled
from arms.params.training import SafeParams
from arms.routers.base import BaseRouter
from arms.safe.base_rates import base_rates
from arms.safe.confidence import Confidence, fit_confidence
from arms.safe.evidence import Evidence
from arms.safe.folds import make_folds
from arms.safe.joint import SOURCES, Joint
from arms.safe.left_out import LeftOut, NewNet, evidence_on, leave_out
from arms.safe.memory import Memory
from arms.safe.trust import KindResult, TrustByForm, certify
from arms.safe.weights import Weights, fit_share, fit_weights

_SWEEPS = 2  # over the new VLMs, as each is compared with the others too


def fit_joint(
    net: BaseRouter,
    memory: Memory,
    new_net: NewNet,
    train: Labelled,
    val: Labelled | None,
    params: SafeParams,
    seed: int,
    jobs: int = 1,
) -> Joint:
    """Join a trained net with its memory and the base rates.

    The weights are learned on queries of train that nets and memories were fitted without, and on val.

    Parameters
    ----------
    net : BaseRouter
        Trained on `train`.
    memory : Memory
        Of `train`.
    new_net : callable
        Makes an untrained net like it.
    train, val : Labelled
        With embeddings, over the pool.
    seed : int
        Of the folds.
    jobs : int
        See `leave_out`.
    """
    base = logit(base_rates(train.outcomes))
    everyone = np.ones(len(base), dtype=bool)
    parts = []
    if val is not None and len(val):
        parts.append(LeftOut(evidence_on(net, memory, base, everyone, val.queries), val.outcomes, None))
    parts += leave_out(new_net, make_folds(train, params, seed), train, val, params, jobs)
    return join(base, parts, params)


def join(base: np.ndarray, parts: Sequence[LeftOut], params: SafeParams) -> Joint:
    """Weights, certificate and confidences from the evidence on left-out queries."""
    if not parts:
        return _only_base(base)
    evidence = Evidence.joined([part.evidence for part in parts])
    outcomes = np.concatenate([part.outcomes for part in parts])
    inside = np.concatenate([np.full(len(part.evidence), part.kinds is None) for part in parts])
    kinds = np.concatenate([np.full(len(part.outcomes), "") if part.kinds is None else part.kinds for part in parts])
    # Queries like the training queries count as much as those of left-out kinds.
    shares = np.where(inside, 1 / max(1, inside.sum()), 1 / max(1, (~inside).sum()))
    weights = fit_weights(evidence, outcomes, shares)
    contrasts = weights.contrasts(evidence)
    trusts = {}
    for form in np.unique(evidence.forms).tolist():
        of_form, by_kind = evidence.forms == form, {}
        for kind in np.unique(kinds[of_form & ~inside]):
            of = of_form & ~inside & (kinds == kind)
            by_kind[str(kind)] = KindResult(evidence.base[of], contrasts[of], evidence.novelty[of], outcomes[of])
        trusts[form] = certify(by_kind, evidence.novelty[of_form & inside], params.tolerance)
    trust = TrustByForm(trusts)
    scores = evidence.base + trust.at(evidence.novelty, evidence.forms)[:, None] * contrasts
    everyone = np.ones(len(base))
    confidence = fit_confidence(scores, evidence.levels, outcomes)
    return Joint(base, everyone, everyone.astype(bool), weights, trust, confidence)


def _only_base(base: np.ndarray) -> Joint:
    """Without any left-out query, the base rates decide."""
    weights = Weights(np.zeros((len(SOURCES), 1)), np.zeros(0))
    everyone = np.ones(len(base))
    confidence = Confidence(1.0, 1.0, 0.0, np.zeros(len(SOURCES)))
    return Joint(base, everyone, everyone.astype(bool), weights, TrustByForm({}), confidence)


def extend_joint(joint: Joint, net: BaseRouter, memory: Memory, val: Labelled | None) -> Joint:
    """Join an extended net with the extended memory: the old VLMs as before, the new ones by their own evidence.

    A new VLM's base rate and its neighbours' outcomes are shrunk as everyone's, so it begins as a constant beside the
    old VLMs' behaviour. The net's contrast for it is expected to count by how many training outcomes it has, as a share
    of the old VLMs'; its outcomes on val, which the net was not trained on, correct that.

    Parameters
    ----------
    net : BaseRouter
        Over the extended pool, the old VLMs first.
    memory : Memory
        The training queries with the outcomes of that pool.
    val : Labelled or None
        Over that pool, with embeddings.
    """
    num_old, base = len(joint.base), logit(base_rates(memory.outcomes))
    old = np.arange(len(base)) < num_old
    known_S = (~np.isnan(memory.outcomes)).sum(axis=0)
    expected = (known_S / max(1.0, known_S[old].mean())).clip(max=1)
    shares = np.concatenate([joint.net_shares, expected[num_old:]])
    extended = Joint(base, shares, old, joint.weights, joint.trust, joint.confidence)
    if val is None or not len(val):
        return extended
    evidence = evidence_on(net, memory, base, old, val.queries)
    net_weight = joint.weights.at(evidence.novelty)[:, 0] * joint.trust.at(evidence.novelty, evidence.forms)
    for vlm in [vlm for _ in range(_SWEEPS) for vlm in range(num_old, len(base))]:
        shares[vlm] = 0.0
        scores, added = extended.scores(evidence), np.zeros_like(evidence.base)
        added[:, vlm] = net_weight * evidence.contrasts[:, vlm, 0]
        told = ~np.isnan(val.outcomes[:, vlm])
        shares[vlm] = fit_share(
            scores[told], added[told], _only_pairs_of(vlm, val.outcomes[told]), float(expected[vlm])
        )
    return extended


def _only_pairs_of(vlm: int, outcomes: np.ndarray) -> np.ndarray:
    """The outcomes from which only pairs of this VLM with another can be made: others as right as it are unknown."""
    same = outcomes == outcomes[:, [vlm]]
    same[:, vlm] = False
    return np.where(same, np.nan, outcomes)

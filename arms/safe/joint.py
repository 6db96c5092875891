"""How the sources are joined into one score for each VLM, and what decided it."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import expit, logit

from arms.safe.confidence import Confidence
from arms.safe.evidence import Evidence, centred
from arms.safe.memory import KERNELS, Found, Memory, novelty
from arms.safe.trust import TrustByForm
from arms.safe.weights import Weights

SOURCES = ("net", *("neighbours" for _ in KERNELS))
_LOWEST = 1e-4  # of a confidence of the net, before it becomes a logit


@dataclass(frozen=True, eq=False)
class Joint:
    """s_ij = base_j + trust_f(z_i) sum_c w_c(z_i) contrast_ijc, for query i of form f and novelty z_i, and VLM j.

    Attributes
    ----------
    base : ndarray of shape (S,), logits
        Of the VLMs' base rates; the default VLM has the highest.
    net_shares : ndarray of shape (S,), in [0, 1]
        How much of the net's contrast counts for each VLM: all for those whose outcomes the weights were learned on.
    old : ndarray of shape (S,), bool
        These VLMs; the net's level is their mean.
    weights : Weights
    trust : TrustByForm
    confidence : Confidence
    """

    base: np.ndarray
    net_shares: np.ndarray
    old: np.ndarray
    weights: Weights
    trust: TrustByForm
    confidence: Confidence

    @property
    def default(self) -> int:
        """The position of the best single VLM."""
        return int(self.base.argmax())

    def scores(self, evidence: Evidence) -> np.ndarray:
        """Scores of shape (M, S), logits; only their differences count."""
        shares = self.trust.at(evidence.novelty, evidence.forms)[:, None]
        scores: np.ndarray = evidence.base + shares * self.weights.contrasts(self._shrunk(evidence))
        return scores

    def confidences(self, evidence: Evidence) -> np.ndarray:
        """Chances of being right, shape (M, S), in [0, 1], in the order of the scores."""
        return self.confidence.of(self.scores(evidence), evidence.levels, self.old)

    def parts(self, evidence: Evidence) -> dict[str, np.ndarray]:
        """What net and neighbours add to the base, each of shape (M, S), logits; with the base they are the scores."""
        added_MSC = self.weights.parts(self._shrunk(evidence))
        added_MSC *= self.trust.at(evidence.novelty, evidence.forms)[:, None, None]
        return {
            name: added_MSC[:, :, [c for c, source in enumerate(SOURCES) if source == name]].sum(axis=2)
            for name in dict.fromkeys(SOURCES)
        }

    def beats_default(self, scores_MS: np.ndarray) -> np.ndarray:
        """The chance that each query's first VLM is right, if only one of it and the default is; shape (M,)."""
        chance: np.ndarray = expit(scores_MS.max(axis=1) - scores_MS[:, self.default])
        return chance

    def _shrunk(self, evidence: Evidence) -> Evidence:
        contrasts = evidence.contrasts.copy()
        contrasts[:, :, 0] *= self.net_shares
        return replace(evidence, contrasts=contrasts)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Everything but the trust, as arrays to save."""
        confidence = self.confidence
        return {
            "base": self.base,
            "net_shares": self.net_shares,
            "old": self.old,
            "weight_values": self.weights.values,
            "weight_cuts": self.weights.cuts,
            "confidence": np.array([confidence.slope, confidence.mean_slope, confidence.offset, *confidence.levels]),
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray], trust: dict[str, Any]) -> "Joint":
        """What `to_arrays` gave, and the trust's JSON."""
        slope, mean_slope, offset, *levels = arrays["confidence"].tolist()
        return cls(
            arrays["base"],
            arrays["net_shares"],
            arrays["old"],
            Weights(arrays["weight_values"], arrays["weight_cuts"]),
            TrustByForm.from_json(trust),
            Confidence(slope, mean_slope, offset, np.array(levels)),
        )


def gather_evidence(
    net_confidence: np.ndarray,
    memory: Memory,
    found: Found,
    forms_M: np.ndarray,
    base_S: np.ndarray,
    old_S: np.ndarray,
) -> Evidence:
    """What net and memory say about M queries.

    Parameters
    ----------
    net_confidence : ndarray of shape (M, S), in [0, 1]
    found : Found
        The queries' neighbours in the memory.
    forms_M : ndarray of shape (M,), each a `QueryForm`
    base_S : ndarray of shape (S,), logits
    old_S : ndarray of shape (S,), bool
        See `Joint.old`.
    """
    net_logits = logit(np.asarray(net_confidence, dtype=np.float64).clip(_LOWEST, 1 - _LOWEST))
    net_contrasts, net_level = centred(net_logits, base_S, old_S)
    local = memory.local_rates(found, base_S)
    return Evidence(
        np.tile(base_S, (len(net_logits), 1)),
        np.concatenate([net_contrasts[:, :, None], local.contrasts], axis=2),
        np.concatenate([np.ones_like(net_contrasts)[:, :, None], local.support], axis=2),
        np.concatenate([net_level[:, None], local.levels], axis=1),
        novelty(found),
        forms_M,
    )

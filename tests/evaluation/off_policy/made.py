"""Logs whose truth is known, made up for tests."""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from arms.evaluation.off_policy.logged import Logged

VLMS = ("small", "large", "other")


def logged(chosen, propensity, value, *, possible=None, confidence=None, groups=None, chance=None):
    """A log of few decisions, by what is to differ."""
    shape = len(chosen), len(VLMS)
    return Logged(
        VLMS,
        np.array(chosen),
        np.array(propensity, dtype=float),
        np.ones(shape, dtype=bool) if possible is None else np.array(possible),
        np.array(value, dtype=float),
        np.full(shape, 0.5) if confidence is None else np.array(confidence, dtype=float),
        np.arange(len(chosen)) if groups is None else np.array(groups),
        chance,
    )


def certain(choice):
    """The chances of a policy that draws nothing."""
    return np.eye(len(VLMS))[np.array(choice)]


@dataclass
class World:
    """Queries with the answers of all VLMs; a router that knows the chances roughly, and another one."""

    right: np.ndarray
    cost: np.ndarray
    confidence: np.ndarray
    other: np.ndarray

    @classmethod
    def draw(cls, queries, seed=0):
        """Queries of different difficulty."""
        rng = np.random.default_rng(seed)
        level = rng.normal(0.7, 1.2, size=(queries, len(VLMS)))
        noise = rng.normal(size=(2, queries, len(VLMS)))
        right = (rng.random(level.shape) < expit(level)).astype(float)
        cost = np.array([0.001, 0.01, 0.003]) * rng.uniform(0.5, 1.5, size=level.shape)
        return cls(right, cost, expit(level + noise[0]), expit(level + 0.5 * noise[1]))

    def log(self, rng, decisions, explore, together=1):
        """Queries drawn with replacement, each asked some times in a row, and chosen as a gateway does."""
        rows = np.repeat(rng.integers(len(self.right), size=decisions // together), together)
        greedy = self.confidence[rows].argmax(axis=1)
        drawn = rng.integers(len(VLMS), size=len(rows))
        chosen = np.where(rng.random(len(rows)) < explore, drawn, greedy)
        chance = explore / len(VLMS) + (1 - explore) * np.eye(len(VLMS))[greedy]
        propensity, right = chance[np.arange(len(rows)), chosen], self.right[rows, chosen]
        groups = np.repeat(np.arange(decisions // together), together)
        return rows, logged(chosen, propensity, right, confidence=self.other[rows], groups=groups, chance=chance)

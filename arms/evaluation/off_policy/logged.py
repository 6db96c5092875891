"""What a log holds for off-policy estimates, and whether it supports a target policy."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from arms.errors import ArmsError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
_ROWS_SUM_TO = 1e-6  # of 1


@dataclass(frozen=True, eq=False)
class Logged:
    """N logged decisions over S VLMs.

    Attributes
    ----------
    vlms : S names
    chosen : int array of shape (N,); the position in `vlms` of the VLM that was chosen
    propensity : float array of shape (N,), in (0, 1]; the chance with which it was chosen
    possible : bool array of shape (N, S); the VLMs that had a chance above 0
    value : float array of shape (N,), finite; what the choice earned or cost
    confidence : float array of shape (N, S), in [0, 1]; of a router, for the reward model; NaN where unknown
    groups : array of shape (N,); decisions of one group succeed and fail together, such as those on one picture
    chance : float array of shape (N, S), or None; the chances of all VLMs, where they are known

    Raises
    ------
    ValueError
        If shapes disagree, a number is out of range, or a chosen VLM had no chance.
    """

    vlms: tuple[str, ...]
    chosen: IntArray
    propensity: FloatArray
    possible: BoolArray
    value: FloatArray
    confidence: FloatArray
    groups: NDArray
    chance: FloatArray | None = None

    def __post_init__(self) -> None:
        rows, shape = (len(self.chosen),), (len(self.chosen), len(self.vlms))
        shapes = [self.propensity.shape, self.value.shape, self.groups.shape]
        if shapes != [rows] * 3 or self.possible.shape != shape or self.confidence.shape != shape:
            raise ValueError(
                f"logged: expected {rows[0]} decisions over {shape[1]} VLMs everywhere, got propensity, value and "
                f"groups of {shapes}, possible of {self.possible.shape}, confidence of {self.confidence.shape}"
            )
        if not ((self.propensity > 0) & (self.propensity <= 1)).all() or not np.isfinite(self.value).all():
            raise ValueError("logged: expected propensities in (0, 1] and finite values, got others")
        if not ((self.chosen >= 0) & (self.chosen < shape[1])).all():
            raise ValueError(f"logged: expected chosen VLMs from 0 to {shape[1] - 1}, got others")
        if self.chance is not None and not ((self.chance > 0) == self.possible).all():
            raise ValueError("logged: expected chances above 0 for just the VLMs that are possible, got others")
        if not self.at_choice(self.possible).all():
            raise ValueError("logged: expected every chosen VLM to have had a chance, some had none")

    def at_choice(self, of_vlms: NDArray) -> NDArray:
        """The entries of an array of shape (N, S) at the chosen VLMs."""
        return of_vlms[np.arange(len(self.chosen)), self.chosen]

    def where(self, rows: BoolArray) -> "Logged":
        """Some of the decisions."""
        return replace(
            self,
            chosen=self.chosen[rows],
            propensity=self.propensity[rows],
            possible=self.possible[rows],
            value=self.value[rows],
            confidence=self.confidence[rows],
            groups=self.groups[rows],
            chance=None if self.chance is None else self.chance[rows],
        )


def weights(logged: Logged, target_NS: FloatArray) -> FloatArray:
    """The importance weights w_i = pi(a_i | x_i) / p_i, shape (N,).

    Parameters
    ----------
    logged : Logged
    target_NS : float array of shape (N, S)
        The chance with which the target policy chooses each VLM; rows sum to 1.

    Raises
    ------
    ValueError
        If the target's rows are no chances.
    ArmsError
        If the target chooses a VLM that had no chance: what it would have earned there, no log can tell.
    """
    if target_NS.shape != logged.possible.shape:
        raise ValueError(f"target: expected shape {logged.possible.shape}, got {target_NS.shape}")
    if not ((target_NS >= 0).all() and np.allclose(target_NS.sum(axis=1), 1, rtol=0, atol=_ROWS_SUM_TO)):
        raise ValueError("target: expected rows of chances that sum to 1, got others")
    _check_support(logged, target_NS)
    return logged.at_choice(target_NS) / logged.propensity


def _check_support(logged: Logged, target_NS: FloatArray) -> None:
    without = (target_NS > 0) & ~logged.possible
    if not without.any():
        return
    num_rows = int(without.any(axis=1).sum())
    names = ", ".join(np.array(logged.vlms)[without.any(axis=0)])
    raise ArmsError(
        f"no support: expected a chance for every choice of the target, it had none on {num_rows:,} of "
        f"{len(without):,} decisions ({names}): nobody knows how these VLMs would have answered; let the gateway "
        "explore (explore: 0.02 in its settings, and no shadow mode), or leave out what it logged before: --since"
    )

"""Selection policies: from a router's confidences to the one VLM that answers each query."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
NONE_KNOWN = -1


def select(
    confidence: NDArray[np.floating],
    policy: Mapping[str, Any],
    vlms: Sequence[str],
    known: NDArray[np.bool_] | None = None,
) -> IntArray:
    """Choose one VLM for each query.

    In offline evaluation a VLM's outcome may be missing on a query: it was never run there. The router is then
    replayed among the VLMs whose outcome was recorded (`known`), so that a missing outcome is never counted as wrong
    and every router is judged on the same queries.

    Parameters
    ----------
    confidence : float array of shape (N, S), finite
    policy : mapping with the policy's "name" and its settings, as in {"name": "cascade", "theta": 0.5, "pools": [...]}
    vlms : S names, in pool order
    known : bool array of shape (N, S), optional; the VLMs that may be chosen. All by default.

    Returns
    -------
    int64 array of shape (N,): the position in `vlms` of the chosen VLM, -1 where no VLM is known

    Raises
    ------
    ValueError
        If the policy or one of its settings is unknown or missing, the shapes disagree, or a confidence is not finite.
    """
    confidence = np.asarray(confidence)
    if confidence.ndim != 2 or confidence.shape[1] != len(vlms) or not len(vlms):
        raise ValueError(
            f"select: expected confidence of shape (N, {len(vlms)}), one or more VLMs, got {confidence.shape}"
        )
    if not np.isfinite(confidence).all():
        raise ValueError(
            f"select: expected finite confidences, got {int((~np.isfinite(confidence)).sum())} NaN or infinite"
        )
    known = np.ones(confidence.shape, dtype=bool) if known is None else np.asarray(known)
    if known.shape != confidence.shape or known.dtype != bool:
        raise ValueError(f"select: expected known as bool of shape {confidence.shape}, got {known.dtype} {known.shape}")
    choose, settings = _lookup(policy)
    return choose(confidence, known, tuple(vlms), **settings)


def ranking(
    confidence: NDArray[np.floating],
    policy: Mapping[str, Any],
    vlms: Sequence[str],
    known: NDArray[np.bool_] | None = None,
) -> IntArray:
    """Order the pool for each query: the policy's choice first, the others by falling confidence.

    Parameters
    ----------
    confidence, policy, vlms, known : as for `select`

    Returns
    -------
    int64 array of shape (N, S): positions in `vlms`; equal confidences stay in pool order, and the VLMs that may not
    be chosen come last
    """
    choice = select(confidence, policy, vlms, known)
    order = -np.asarray(confidence, dtype=np.float64)
    if known is not None:
        order[~known] = np.inf
    chosen = choice != NONE_KNOWN
    order[chosen, choice[chosen]] = -np.inf
    return np.argsort(order, axis=1, kind="stable").astype(np.int64)


def argmax(confidence: NDArray[np.floating], known: NDArray[np.bool_], vlms: tuple[str, ...]) -> IntArray:
    """Choose the VLM of highest confidence; of equals, the first in pool order."""
    return _best(confidence, known)[0]


def cascade(
    confidence: NDArray[np.floating],
    known: NDArray[np.bool_],
    vlms: tuple[str, ...],
    *,
    theta: float,
    pools: Sequence[Sequence[str]],
) -> IntArray:
    """Choose by the threshold cascade: Algorithm 1 of arXiv:2606.08970, for two pools or any number of them.

    The pools are asked in order. Once the best confidence so far exceeds theta, the best VLM so far is chosen; after
    the last pool the best of all is. A later pool's VLM is the best so far if its confidence is higher than all before
    it: a tie stays with the earlier pool, and within a pool with the first in pool order. With two pools, those of Phi
    and of Theta, this is Algorithm 1: c_max > theta leaves the choice to Phi alone.

    Parameters
    ----------
    theta : float in [0, 1]
    pools : the names of the VLMs that each router scores, Phi's first; together `vlms`, each once. A pool may be empty.
    """
    if isinstance(theta, bool) or not isinstance(theta, int | float) or not 0 <= theta <= 1:
        raise ValueError(f"policy cascade.theta: expected a number in [0, 1], got {theta!r}")
    _check_pools(pools, vlms)
    # Compared in the confidences' own precision, so that a stored 0.7 does not exceed a theta of 0.7.
    threshold = confidence.dtype.type(theta)
    choice, c_max = _best(confidence, np.zeros_like(known))
    for pool in pools:
        members = np.array([name in pool for name in vlms])
        pool_choice, c_pool = _best(confidence, known & members)
        better = ~(c_max > threshold) & (c_pool > c_max)
        choice, c_max = np.where(better, pool_choice, choice), np.where(better, c_pool, c_max)
    return choice


POLICIES: dict[str, Callable[..., IntArray]] = {
    "argmax": argmax,
    "cascade": cascade,
}


def _best(confidence: NDArray[np.floating], allowed: NDArray[np.bool_]) -> tuple[IntArray, NDArray[np.floating]]:
    """Return the best allowed VLM of each query and its confidence; -1 and -inf where none is allowed."""
    masked = np.where(allowed, confidence, confidence.dtype.type(-np.inf))
    choice = masked.argmax(axis=1)
    return np.where(allowed.any(axis=1), choice, NONE_KNOWN).astype(np.int64), masked.max(axis=1)


def _check_pools(pools: Sequence[Sequence[str]], vlms: tuple[str, ...]) -> None:
    """Raise a ValueError unless the pools are lists of names that together are the VLMs, each once."""
    well_formed = isinstance(pools, list | tuple) and all(isinstance(pool, list | tuple) for pool in pools)
    names = [name for pool in pools for name in pool] if well_formed else []
    if len(names) != len(vlms) or any(name not in names for name in vlms):
        raise ValueError(
            f"policy cascade.pools: expected lists of names that together are {', '.join(vlms)}, each once, "
            f"got {pools!r}"
        )


def _lookup(policy: Mapping[str, Any]) -> tuple[Callable[..., IntArray], dict[str, Any]]:
    """Return the policy's function and its settings, checked against the function's signature."""
    settings = dict(policy)
    name = settings.pop("name", None)
    if name not in POLICIES:
        raise ValueError(f"policy: unknown name {name!r}; known: {', '.join(POLICIES)}")
    parameters = inspect.signature(POLICIES[name]).parameters.values()
    expected = {parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY}
    if set(settings) != expected:
        raise ValueError(
            f"policy {name}: expected the settings ({', '.join(sorted(expected)) or 'none'}), "
            f"got ({', '.join(sorted(map(str, settings))) or 'none'})"
        )
    return POLICIES[name], settings

"""Selection: which VLM answers a query, given a router's confidences and the expected costs."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arms.selection.policies import NONE_KNOWN, POLICIES, BoolArray, Choices, FloatArray, IntArray


def select(
    confidence: FloatArray,
    policy: Mapping[str, Any],
    vlms: Sequence[str],
    known: BoolArray | None = None,
    *,
    costs: FloatArray | None = None,
    latencies: FloatArray | None = None,
) -> IntArray:
    """Choose one VLM for each query.

    In offline evaluation a VLM may never have run on a query. The router then chooses among the VLMs whose outcome was
    recorded (`known`), so a missing outcome is never counted as wrong and all routers are judged on the same queries.

    Parameters
    ----------
    confidence : float array of shape (N, S), finite
    policy : mapping with the name of one of `arms.selection.policies` and its settings
        As in {"name": "cascade", "theta": 0.5, "pools": [...]} or {"name": "cheapest", "tau": 0.7, "of": "cost"}.
    vlms : S names, in pool order
    known : bool array of shape (N, S), optional; the VLMs that may be chosen. All by default.
    costs : float array of shape (N, S), optional; the USD that each VLM is expected to cost on each query
    latencies : float array of shape (N, S), optional; the seconds that each is expected to take

    Returns
    -------
    int64 array of shape (N,): the position in `vlms` of the chosen VLM, -1 where no VLM is known

    Raises
    ------
    ValueError
        If the policy or one of its settings is unknown or missing, the policy needs costs or latencies that are not
        given, the shapes disagree, a confidence is not finite, or a cost or latency is not finite or negative.
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
    costs, latencies = (
        _checked(name, expense, confidence.shape) for name, expense in (("costs", costs), ("latencies", latencies))
    )
    return choose(Choices(confidence, known, tuple(vlms), costs, latencies), **settings)


def ranking(
    confidence: FloatArray,
    policy: Mapping[str, Any],
    vlms: Sequence[str],
    known: BoolArray | None = None,
    *,
    costs: FloatArray | None = None,
    latencies: FloatArray | None = None,
) -> IntArray:
    """Order the pool for each query: the policy's choice first, the others by falling confidence.

    Parameters
    ----------
    confidence, policy, vlms, known, costs, latencies : as for `select`

    Returns
    -------
    int64 array of shape (N, S): positions in `vlms`; equal confidences stay in pool order, and the VLMs that may not
    be chosen come last
    """
    choice = select(confidence, policy, vlms, known, costs=costs, latencies=latencies)
    order = -np.asarray(confidence, dtype=np.float64)
    if known is not None:
        order[~known] = np.inf
    chosen = choice != NONE_KNOWN
    order[chosen, choice[chosen]] = -np.inf
    return np.argsort(order, axis=1, kind="stable").astype(np.int64)


def check_is_mapping(policy: Any) -> None:
    """Raise a ValueError if a policy is not a mapping of its name and its settings, such as only the name."""
    if not isinstance(policy, Mapping):
        example = '{"name": "cheapest", "tau": 0.7, "of": "cost"}'
        raise ValueError(f"policy: expected a mapping of its name and its settings, such as {example}, got {policy!r}")


def _checked(name: str, expense: FloatArray | None, shape: tuple[int, ...]) -> NDArray[np.float64] | None:
    """Costs or latencies as float64; raise ValueError if the shape is wrong, or one is negative or not finite."""
    if expense is None:
        return None
    checked = np.asarray(expense, dtype=np.float64)
    if checked.shape != shape:
        raise ValueError(f"select: expected {name} of shape {shape}, got {checked.shape}")
    if wrong := int((~(np.isfinite(checked) & (checked >= 0))).sum()):
        raise ValueError(f"select: expected finite {name} >= 0, got {wrong} negative, NaN or infinite")
    return checked


def _lookup(policy: Mapping[str, Any]) -> tuple[Callable[..., IntArray], dict[str, Any]]:
    """Return the policy's function and its settings, checked against the function's signature."""
    check_is_mapping(policy)
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

"""Score tables: the confidence a router gives each VLM on each query, as one Parquet file per router and pool."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from arms.data.parquet import read_parquet, write_parquet
from arms.data.profiles import ASKED, QUERY_ID
from arms.errors import ArmsError

POOLS = ("base", "extended")
METADATA_KEY = b"arms.scores"


@dataclass(frozen=True, eq=False)
class Scores:
    """One router's confidences over one pool, with the policy that turns them into a selection.

    Parameters
    ----------
    router : str
    pool : str, "base" or "extended"
    query_ids : sequence of N distinct str
    vlms : sequence of S distinct str, in pool order; at least one
    confidence : float array of shape (N, S), finite, in [0, 1]; kept as read-only float32
    policy : dict, JSON-able, with its "name"; see `arms.selection.select`
    asked : bool array of shape (N, S), or None
        The VLMs whose answers the router read before it chose, which have to be paid for too; None where it reads none.

    Raises
    ------
    ValueError
        If a name is unknown, doubled or empty, the shapes disagree, a confidence is outside [0, 1], or the policy
        is not JSON.
    """

    router: str
    pool: str
    query_ids: tuple[str, ...]
    vlms: tuple[str, ...]
    confidence: NDArray[np.float32]
    policy: dict[str, Any]
    asked: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        if not self.router:
            raise ValueError("scores: expected the router's name, got an empty string")
        if self.pool not in POOLS:
            raise ValueError(f"scores of {self.router}: unknown pool {self.pool!r}; known: {', '.join(POOLS)}")
        where = f"scores of {self.router} ({self.pool})"
        # Plain str and not numpy's: the names end up in JSON and as dictionary keys.
        object.__setattr__(self, "query_ids", _distinct(self.query_ids, f"{where}.query_ids"))
        object.__setattr__(self, "vlms", _distinct(self.vlms, f"{where}.vlms"))
        if not self.vlms or QUERY_ID in self.vlms:
            raise ValueError(f"{where}.vlms: expected at least one VLM and none named {QUERY_ID!r}, got {self.vlms}")
        object.__setattr__(self, "confidence", self._checked_confidence(where))
        object.__setattr__(self, "policy", _checked_policy(self.policy, where))
        if self.asked is not None and (self.asked.shape != self.confidence.shape or self.asked.dtype != bool):
            raise ValueError(
                f"{where}.asked: expected bool of shape {self.confidence.shape}, "
                f"got {self.asked.dtype} of shape {self.asked.shape}"
            )

    def _checked_confidence(self, where: str) -> NDArray[np.float32]:
        given = np.asarray(self.confidence)
        expected = (len(self.query_ids), len(self.vlms))
        if given.shape != expected or given.dtype.kind != "f":
            raise ValueError(
                f"{where}.confidence: expected floats of shape {expected} (queries, VLMs), "
                f"got {given.dtype} of shape {given.shape}"
            )
        bad = ~((given >= 0) & (given <= 1))  # written so that NaN is bad too
        if bad.any():
            row, column = np.argwhere(bad)[0]
            raise ValueError(
                f"{where}.confidence: expected values in [0, 1], got {given[row, column]} for query "
                f"{self.query_ids[row]!r} and VLM {self.vlms[column]!r} ({int(bad.sum())} such values)"
            )
        kept = given.astype(np.float32)
        kept.flags.writeable = False
        return kept

    def at(self, query_ids: Sequence[str] | NDArray[Any]) -> NDArray[np.float32]:
        """Return the confidences of the named queries, in the order given; for `asked` see `rows_of`.

        Parameters
        ----------
        query_ids : n query ids, repeats allowed

        Returns
        -------
        float32 array of shape (n, S)

        Raises
        ------
        ArmsError
            If a query has no scores; the text names the first few.
        """
        return self.confidence[self.rows_of(query_ids)]

    def rows_of(self, query_ids: Sequence[str] | NDArray[Any]) -> NDArray[np.int64]:
        """Return the rows of the named queries, int64 of shape (n,); see `at`."""
        row_of = _rows_by_name(self.query_ids)
        try:
            return np.fromiter(map(row_of.__getitem__, query_ids), dtype=np.int64, count=len(query_ids))
        except KeyError:
            missing = [query_id for query_id in query_ids if query_id not in row_of]
            raise ArmsError(
                f"scores of {self.router} ({self.pool}): expected scores for all {len(query_ids)} queries, "
                f"{len(missing)} have none: {_first(missing)}; score the router on these queries again"
            ) from None


def write_scores(scores: Scores, path: str | Path) -> None:
    """Write scores as one wide Parquet file: query_id, one float32 column per VLM, and one more each of `asked`.

    The schema's metadata holds router, pool, VLM order and policy as JSON. Equal scores give equal bytes, and the
    file appears whole or not at all.
    """
    about = {"router": scores.router, "pool": scores.pool, "vlms": scores.vlms, "policy": scores.policy}
    fields = [pa.field(QUERY_ID, pa.string()), *(pa.field(vlm, pa.float32()) for vlm in scores.vlms)]
    columns = [pa.array(scores.query_ids, pa.string()), *(pa.array(column) for column in scores.confidence.T)]
    if scores.asked is not None:
        fields += [pa.field(f"{ASKED}{vlm}", pa.bool_()) for vlm in scores.vlms]
        columns += [pa.array(column) for column in scores.asked.T]
    metadata = {METADATA_KEY: json.dumps(about, sort_keys=True).encode()}
    table = pa.Table.from_arrays(columns, schema=pa.schema(fields, metadata=metadata))
    # Ids and confidences hardly repeat, so dictionaries would only cost space.
    write_parquet(table, Path(path), use_dictionary=False)


def read_scores(path: str | Path) -> Scores:
    """Read what `write_scores` wrote.

    Raises
    ------
    ArmsError
        If the file is missing, is not Parquet, is damaged, or is not a table of scores.
    """
    path, remedy = Path(path), "run the stage that writes it again"
    table = read_parquet(path, "a score table", remedy, sealed=True)
    metadata = table.schema.metadata or {}
    if METADATA_KEY not in metadata:
        raise ArmsError(
            f"{path}: expected a score table, got other Parquet ({', '.join(table.column_names)}); {remedy}"
        )
    try:
        about = json.loads(metadata[METADATA_KEY])
        columns = [table.column(vlm).to_numpy() for vlm in about["vlms"]]
        asked = None
        if any(name.startswith(ASKED) for name in table.column_names):
            asked = np.stack([table.column(f"{ASKED}{vlm}").to_numpy() for vlm in about["vlms"]], axis=1)
        return Scores(
            router=about["router"],
            pool=about["pool"],
            query_ids=tuple(table.column(QUERY_ID).to_pylist()),
            vlms=tuple(about["vlms"]),
            confidence=np.stack(columns, axis=1),
            policy=about["policy"],
            asked=asked,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ArmsError(f"{path}: a damaged score table ({error}); {remedy}") from error


def _distinct(names: Sequence[str] | NDArray[Any], where: str) -> tuple[str, ...]:
    names = tuple(names.tolist() if isinstance(names, np.ndarray) else names)
    wrong = [name for name in names if not isinstance(name, str) or not name]
    if wrong:
        raise ValueError(f"{where}: expected non-empty strings, got {_first(wrong)}")
    if len(set(names)) != len(names):
        seen: set[str] = set()
        doubled = [name for name in names if name in seen or seen.add(name)]  # type: ignore[func-returns-value]
        raise ValueError(f"{where}: expected each name once, got {len(doubled)} again: {_first(doubled)}")
    return _held_once(names)


@lru_cache(maxsize=4)
def _held_once(names: tuple[str, ...]) -> tuple[str, ...]:
    """The first of equal tuples: all routers are scored on the same queries, whose names take much memory."""
    return names


@lru_cache(maxsize=2)
def _rows_by_name(query_ids: tuple[str, ...]) -> dict[str, int]:
    """The row of each query; kept for the next call, as a router is read for each split and pool."""
    return {query_id: row for row, query_id in enumerate(query_ids)}


def _checked_policy(policy: dict[str, Any], where: str) -> dict[str, Any]:
    if not isinstance(policy, dict) or not isinstance(policy.get("name"), str):
        raise ValueError(
            f"{where}.policy: expected a dict with its 'name', such as {{'name': 'argmax'}}, got {policy!r}"
        )
    try:
        return json.loads(json.dumps(policy, allow_nan=False))  # a copy, in the form in which it comes back from disk
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}.policy: expected only what JSON can hold, got {policy!r} ({error})") from error


def _first(names: Sequence[Any], shown: int = 5) -> str:
    return ", ".join(repr(name) for name in names[:shown]) + (", ..." if len(names) > shown else "")

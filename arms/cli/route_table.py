"""`arms route --table`: route the queries of a table into a file; a killed run goes on where it stopped."""

import hashlib
import json
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import arms
from arms.cli.base import count, echo
from arms.cli.completers import DESCRIPTION
from arms.cli.query_table import TableQuery, read_queries
from arms.cli.route_parts import RouteParts, routes_table
from arms.data.atomic import reserved
from arms.data.disk import read_bytes
from arms.errors import ArmsError
from arms.routers.queries import QueryError
from arms.routers.remote import local_router
from arms.routers.router import Router


@dataclass(frozen=True, kw_only=True)
class Routed:
    """What was done."""

    queries: int
    pictures: int  # files
    kept: int  # queries that a run before had routed
    took_s: float

    @property
    def text(self) -> str:
        """One line."""
        rate = (self.queries - self.kept) / max(self.took_s, 1e-9)
        before = f"; {self.kept:,} of them were routed before" if self.kept else ""
        pictures = f" over {count(self.pictures, 'picture')}" if self.pictures else ""
        done = f"routed {self.queries:,} {'query' if self.queries == 1 else 'queries'}{pictures}"
        return f"{done} in {self.took_s:.1f} s ({rate:,.1f} queries/s){before}"


def route_table(
    table: Path,
    out: Path,
    *,
    root: Path,
    folder: Path,
    part_queries: int,
    options: Mapping[str, Any],
) -> tuple[Router, Routed]:
    """Route all queries of a table; the router and what was done.

    Parameters
    ----------
    root : Path
        What the paths of pictures are relative to.
    folder : Path
        The router's, or its URL.
    part_queries : int
        Queries whose routes are kept together until the file is there.
    options : mapping
        As `Router.route_batch` takes them.
    """
    start_s = time.perf_counter()
    folder = local_router(folder)
    queries = read_queries(table, root)
    with reserved(out):
        parts = RouteParts(out, _run(folder, options), queries, part_queries)
        if others := parts.discard_others():
            echo(
                f"{parts.folder}: {count(others, 'part')} of an earlier run with another router, other options or "
                "other rows are of no use and were removed",
                err=True,
            )
        missing = parts.missing
        kept = len(queries) - sum(len(parts.parts[number]) for number in missing)
        if kept:
            echo(f"{kept:,} of {len(queries):,} queries were routed before", err=True)
        router = Router.load(folder)
        try:
            _route_parts(router, parts, missing, options)
        except _RowError as error:
            done = len(queries) - sum(len(parts.parts[number]) for number in parts.missing)
            raise ArmsError(
                f"{error}; the routes of {done:,} of {len(queries):,} queries are kept: run the same again to go on"
            ) from error
        parts.join()
    pictures = len({path for query in queries for path in query.images})
    took_s = time.perf_counter() - start_s
    return router, Routed(queries=len(queries), pictures=pictures, kept=kept, took_s=took_s)


class _RowError(ArmsError):
    """A row that cannot be routed."""


def _route_parts(router: Router, parts: RouteParts, missing: list[int], options: Mapping[str, Any]) -> None:
    """Route the queries of the missing parts in one go, and keep each part once it is whole."""
    asked = [query for number in missing for query in parts.parts[number]]
    images, questions = ([getattr(query, name) for query in asked] for name in ("images", "question"))
    with closing(router.route_batch(images, questions, **options)) as routes:
        try:
            for number in missing:
                part = parts.parts[number]
                routed = list(islice(routes, len(part)))
                parts.write(number, routes_table(part, routed, router.vlms, why=bool(options.get("why"))))
        except QueryError as error:
            raise _RowError(_told(asked[error.number], error)) from error


def _told(query: TableQuery, error: QueryError) -> str:
    return f"{query.where}: query {query.query_id!r}: {error.problem}"


def _run(folder: Path, options: Mapping[str, Any]) -> str:
    """Stands for the router, whose description has the checksums of all its files, and for the options."""
    description = read_bytes(folder / DESCRIPTION, "a router", "train one, or name another folder: --router")
    wanted = {name: sorted(value) if isinstance(value, tuple) else value for name, value in options.items()}
    return json.dumps([arms.__version__, hashlib.sha256(description).hexdigest(), wanted], sort_keys=True)

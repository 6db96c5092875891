"""The routes of a table on their way to one file: whole parts beside it, from which a killed run goes on."""

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa

from arms.cli.query_table import TableQuery
from arms.data.atomic import atomic_file
from arms.data.parquet import read_parquet, write_parquet
from arms.errors import ArmsError
from arms.routers.route import Route

ENDINGS = (".parquet", ".csv", ".jsonl")
_EXPECTED, _REMEDY = "routes", "remove it, and run the same again"


class RouteParts:
    """The parts of a file of routes, in a hidden folder beside it until the file is there.

    A part's name tells what its routes depend on: router, options, and the rows of its queries with their pictures'
    files. So a part is used again only where all of that is the same.

    Parameters
    ----------
    out : Path
        The file to be.
    run : str
        Stands for router and options.
    queries : sequence of TableQuery
        All of the table.
    part_queries : int, at least 1
        Queries of a part.
    """

    def __init__(self, out: Path, run: str, queries: Sequence[TableQuery], part_queries: int) -> None:
        self.out, self.folder = out, out.with_name(f".{out.name}.parts")
        starts = range(0, len(queries), part_queries)
        self.parts = [list(queries[start : start + part_queries]) for start in starts]
        self._files = [self.folder / f"{number:06d}-{_digest(run, part)}" for number, part in enumerate(self.parts)]

    def discard_others(self) -> int:
        """Remove parts of another router, other options or another table, and damaged ones; how many there were."""
        unwanted = [file for file in self._found() if file not in self._files or not _is_sound(file)]
        for file in unwanted:
            file.unlink()
        return len(unwanted)

    @property
    def missing(self) -> list[int]:
        """The numbers of the parts that are still to be made."""
        found = set(self._found())
        return [number for number, file in enumerate(self._files) if file not in found]

    def write(self, number: int, rows: pa.Table) -> None:
        """Keep a part, whole or not at all."""
        write_parquet(rows, self._files[number])

    def join(self) -> None:
        """Write the file from all parts, whole or not at all, and remove these."""
        parts = [read_parquet(file, _EXPECTED, _REMEDY, sealed=True) for file in self._files]
        _write(pa.concat_tables(parts), self.out)
        shutil.rmtree(self.folder)

    def _found(self) -> list[Path]:
        if not self.folder.is_dir():
            return []
        return [file for file in sorted(self.folder.iterdir()) if not file.name.startswith(".")]


def check_ending(out: Path) -> None:
    """Raise an ArmsError if a file of routes cannot have this name."""
    if out.suffix not in ENDINGS:
        raise ArmsError(f"{out}: expected a name that ends in {', '.join(ENDINGS)}, got {out.suffix or 'no ending'}")
    if out.is_dir():
        raise ArmsError(f"{out}: expected a file or nothing there, got a folder; name another file")


def routes_table(queries: Sequence[TableQuery], routes: Sequence[Route], vlms: Sequence[str], *, why: bool) -> pa.Table:
    """Routes as rows: the VLM chosen, its confidence and cost, and each VLM's confidence, null where it is left out."""
    schema = [("query_id", pa.string()), ("vlm", pa.string()), ("confidence", pa.float32())]
    schema += [("expected_cost_usd", pa.float64())]
    schema += [(f"confidence:{vlm}", pa.float32()) for vlm in vlms]
    schema += [("unable", pa.string()), *([("why", pa.string())] if why else [])]
    rows = [_row(query.query_id, route) for query, route in zip(queries, routes, strict=True)]
    return pa.Table.from_pylist(rows, schema=pa.schema(schema))


def _row(query_id: str, route: Route) -> dict[str, Any]:
    chosen = route.ranking[0]
    return {
        "query_id": query_id,
        "vlm": chosen.vlm,
        "confidence": chosen.confidence,
        "expected_cost_usd": chosen.expected_cost_usd,
        **{f"confidence:{ranked.vlm}": ranked.confidence for ranked in route.ranking},
        "unable": _json(route.unable) if route.unable else None,
        "why": None if route.why is None else _json(asdict(route.why)),
    }


def _json(content: Any) -> str:
    return json.dumps(content, ensure_ascii=False)


def _write(table: pa.Table, out: Path) -> None:
    if out.suffix == ".parquet":
        write_parquet(table, out)
        return
    frame = table.to_pandas()
    with atomic_file(out) as draft:
        if out.suffix == ".csv":
            frame.to_csv(draft, index=False)
        else:
            frame.to_json(draft, orient="records", lines=True, force_ascii=False)


def _digest(run: str, part: Sequence[TableQuery]) -> str:
    digest = hashlib.sha256(run.encode())
    for query in part:
        digest.update(b"\n" + query.stamp.encode())
    return f"{digest.hexdigest()[:32]}.part"


def _is_sound(file: Path) -> bool:
    try:
        read_parquet(file, _EXPECTED, _REMEDY, sealed=True)
    except ArmsError:
        return False
    return True

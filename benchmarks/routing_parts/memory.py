"""What routing holds in memory, whatever the number of queries.

``python -m benchmarks.routing_parts.memory FOLDER QUERIES`` is the fresh process in which it is measured.
"""

import json
import subprocess
import sys
from pathlib import Path

import psutil

from arms.cli.completers import STARTER
from arms.routers.router import Router
from benchmarks.peak import peak_mib
from benchmarks.record import Line
from benchmarks.routing_parts.setup import Scale, make_queries

PART = "memory"
_MB = 2**20


def measure_memory(photos: Path, scale: Scale) -> list[Line]:
    """The peak of a process that routes so many queries, and what it grew by after the router was loaded."""
    bound = Line(part=PART, name="1 GiB", unit="MiB", runs=(1024.0,))
    peaks, growths = list[Line](), list[Line]()
    for queries in scale.memory_queries:
        command = [sys.executable, "-m", "benchmarks.routing_parts.memory", str(photos), str(queries)]
        finished = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        found = json.loads(finished.stdout)
        assert found["routes"] == queries
        peaks.append(_line(f"peak, {queries:,} queries", found["peak_mb"]))
        growths.append(_line(f"growth after loading, {queries:,} queries", found["peak_mb"] - found["loaded_mb"]))
    first, *others = peaks
    flat = [one.over(first, at_most=1.1) for one in others]
    return [first, *flat, bound, *(one.over(bound, at_most=1) for one in growths)]


def _line(name: str, figure: float) -> Line:
    return Line(part=PART, name=name, unit="MiB", runs=(figure,))


def main() -> None:
    """Route, and print what it took."""
    photos, queries = sorted(Path(sys.argv[1]).iterdir()), int(sys.argv[2])
    router = Router.load(STARTER)
    router.route(photos[0], "What is this?")
    loaded_mb = psutil.Process().memory_info().rss / _MB
    images, questions = make_queries(photos, queries)
    routes = sum(1 for _ in router.route_batch(iter(images), iter(questions)))
    print(json.dumps({"routes": routes, "loaded_mb": loaded_mb, "peak_mb": peak_mib()}))


if __name__ == "__main__":
    main()

"""The metrics that a user names: for all benchmarks, or as BENCHMARK=METRIC for one."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from arms.errors import ArmsError

HELP = "repeat for benchmarks that differ, the first that is there counts; BENCHMARK=METRIC for one benchmark"


@dataclass(frozen=True)
class MetricNames:
    """What --metric says, each time that it is given.

    Attributes
    ----------
    shared : tuple of str
        For every benchmark without names of its own, the first that it has counts.
    own : dict of str to tuple of str
        By benchmark.
    """

    shared: tuple[str, ...] = ()
    own: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def of(self, benchmark: str) -> tuple[str, ...]:
        """The names for a benchmark; none: the usual one."""
        return self.own.get(benchmark, self.shared)

    def check_benchmarks(self, there: Collection[str]) -> None:
        """Raise an ArmsError if a benchmark was named that is not there."""
        for benchmark, names in self.own.items():
            if benchmark not in there:
                listed = ", ".join(sorted(there)[:20]) or "none"
                raise ArmsError(
                    f"--metric {benchmark}={names[0]}: there is no benchmark {benchmark!r}; there: {listed}"
                )


def parse_metrics(texts: Sequence[str], *, lower: bool = False) -> MetricNames:
    """Metrics as a user names them, such as "hit" or "MathVista_MINI=res"; where `lower` is true, in lower case.

    Raises
    ------
    ArmsError
        If one is empty.
    """
    shared: list[str] = []
    own: dict[str, list[str]] = {}
    for text in texts:
        benchmark, equals, metric = (part.strip() for part in text.partition("="))
        if not equals:
            benchmark, metric = "", benchmark
        if not metric or bool(equals) != bool(benchmark):
            raise ArmsError(f"--metric: expected METRIC or BENCHMARK=METRIC, got {text!r}")
        metric = metric.lower() if lower else metric
        (own.setdefault(benchmark, []) if benchmark else shared).append(metric)
    return MetricNames(tuple(shared), {name: tuple(metrics) for name, metrics in own.items()})


def first_of(names: Iterable[str], there: Collection[str]) -> str | None:
    """The first of some names that is there."""
    return next((name for name in names if name in there), None)

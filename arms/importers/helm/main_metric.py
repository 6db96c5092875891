"""Which of a HELM run's metrics says whether an answer is right."""

from collections.abc import Sequence

from arms.errors import ArmsError
from arms.importers.helm.run_rows import Row
from arms.importers.helm.run_specs import Run
from arms.importers.metric_names import first_of
from arms.importers.set_aside import SetAside

# Metrics of HELM that are 0 or 1, the one that its tables mostly show first.
EXACT = (
    "quasi_prefix_exact_match",
    "exact_match",
    "quasi_exact_match",
    "prefix_exact_match",
    "quasi_leave_articles_exact_match",
)

# The benchmarks of VHELM whose tables show another one.
_MAIN = {
    "math_vista": "exact_match",
    "real_world_qa": "quasi_leave_articles_exact_match",
    "mm_safety_bench": "toxic_frac",
    **dict.fromkeys(("bingo", "crossmodal_3600", "flickr30k", "mementos", "vibe_eval"), "prometheus_vision"),
}

# Judges' ratings from 1 to 5. A run with nothing but ones looks as if all were right, so the name has to tell.
_RATINGS = ("prometheus_vision", "reka_vibe")


def choose_metric(
    run: Run, rows: Sequence[Row], metrics: Sequence[str], threshold: float | None, aside: SetAside
) -> str | None:
    """The metric that grades a run.

    Parameters
    ----------
    run : Run
    rows : sequence of Row
    metrics : sequence of str
        Those that the user wants, the first that is there; empty: the benchmark's main one, or the first exact match.
    threshold : float or None
        The user's.
    aside : SetAside

    Returns
    -------
    str or None
        None, and the run is set aside, if no row has it.

    Raises
    ------
    ArmsError
        If it is a rating and there is no threshold.
    """
    there = {name for row in rows for name, grade in row.stats.items() if grade is not None}
    main = _MAIN.get(run.name.benchmark)
    wanted = tuple(metrics) or ((main,) if main else EXACT)
    chosen = first_of(wanted, there)
    if chosen in _RATINGS and threshold is None:
        raise ArmsError(
            f"{run.folder}: metric {chosen}: expected --threshold, as its ratings go from 1 to 5; say from which one "
            "on an answer is correct, name another metric: --metric, or the benchmarks to read: --benchmark"
        )
    if chosen is None:
        aside.add(
            "run without the metric that says what is right",
            str(run.folder),
            "name one that it has: --metric",
            detail=f"expected {' or '.join(wanted)}, got {', '.join(sorted(there)) or 'none'}",
            count=len(rows),
        )
    return chosen

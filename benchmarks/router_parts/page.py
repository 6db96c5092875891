"""What the benchmark of the routers measured, as a section of docs/results/benchmarks.md."""

from typing import Any

_PARTS = ("neighbours", "curves")


def routers_page(report: dict[str, Any]) -> str:
    """Nearest neighbours and curves against plain loops; the other routers' times stand in the JSON."""
    cpu, cores, commit = report["machine"]["cpu"], report["machine"]["cores"], report["commit"]["id"][:7]
    settings = report["settings"]
    lines = [
        "## The routers' speed",
        "",
        f"`python -m benchmarks.routers`, commit {commit}, {cores} cores ({cpu}), of which other processes kept "
        f"{report['others_busy_cores']} busy. {settings['train']:,} made-up training queries of "
        f"{2 * settings['width']:,} features, {settings['vlms']} VLMs, {settings['neighbours']} neighbours; medians. "
        "Plain loops search for one query at a time and go through its neighbours and the VLMs in Python.",
        "",
        "| what | median | ratio | to | target |",
        "|---|---|---|---|---|",
    ]
    for line in report["lines"]:
        if line["part"] in _PARTS:
            ratio = "" if line["ratio"] is None else f"{line['ratio']:,.3g}"
            figure = f"{line['figure']:,.3g}" if line["figure"] < 1000 else f"{line['figure']:,.0f}"
            cells = (line["name"], f"{figure} {line['unit']}", ratio, line["ratio_to"] or "", line["target"] or "")
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"

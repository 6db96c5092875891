"""What the benchmark of the gateway measured, as a section of docs/results/benchmarks.md."""

from typing import Any

from benchmarks.page import page_table

_ADDS = ("rate", "p50", "p99")


def gateway_page(report: dict[str, Any]) -> str:
    """A table of the loads, and one of the decision."""
    machine, settings = report["machine"], report["settings"]
    load = [line for line in report["lines"] if line["part"] == "load"]
    lines = [
        "## The gateway",
        "",
        f"`python -m benchmarks.gateway`, commit {report['commit']['id'][:7]}, {machine['cores']} cores "
        f"({machine['cpu']}), which the client, the gateway and the upstream share. The upstream answers at once; a "
        "gateway's p50 and p99 are what it adds to those of the upstream, asked directly by the same client in the "
        "same round. `arms serve` has the starter and its default settings; its memory is a SQLite file, flushed to "
        f"the disk before a request goes on. {_about_litellm(load)} Pictures are PNG files of 256 x 256 pixels as data "
        "URIs, a new one for each request, or always the same; each question is a new one. Medians of "
        f"{settings['rounds']} rounds of {settings['requests']} requests.",
        "",
        *_table(load),
        "",
        f"One decision at a time on a new small picture, median of {settings['decisions']}, against what no decision "
        "can do without:",
        "",
        *page_table([line for line in report["lines"] if line["part"] == "decision"]),
    ]
    return "\n".join(lines) + "\n"


def _about_litellm(load: list[dict[str, Any]]) -> str:
    if any(line["target"] == "LiteLLM" for line in load):
        return "LiteLLM is its proxy with a hook that changes the model, and looks at nothing."
    return "LiteLLM's proxy was left out, as its environment is not there (`make test-litellm` makes it)."


def _table(load: list[dict[str, Any]]) -> list[str]:
    rows = ["| what is asked | at a time | of | requests/s | p50 | p99 |", "|---|---|---|---|---|---|"]
    for key in dict.fromkeys((line["kind"], line["at_once"], line["target"]) for line in load):
        found = {line["what"]: line for line in load if (line["kind"], line["at_once"], line["target"]) == key}
        added = "" if key[2] == "upstream" else "+"
        rate, p50, p99 = (found[what]["figure"] for what in _ADDS)
        rows.append(f"| {key[0]} | {key[1]} | {key[2]} | {rate:,.0f} | {added}{p50:,.3g} ms | {added}{p99:,.3g} ms |")
    return rows

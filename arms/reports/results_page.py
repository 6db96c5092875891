"""The page of all results, docs/results.md: one screen of summary, and links to a page for each dataset."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from arms.data.disk import read_json
from arms.errors import ArmsError
from arms.reports.claims_section import REFERENCES, arms_claims, claims_section
from arms.reports.complete_cases import judged_or_replayed, over_all
from arms.reports.leaderboard import twins
from arms.reports.markdown import interval, markdown_table, number, with_interval
from arms.reports.results_table import ARMS, only_net_note
from arms.reports.titles import POOL_TITLES, SPLIT_TITLES
from arms.reports.unseen_section import unseen_sentence

BENCHMARKS = "benchmarks"  # the name of their page; no dataset can have it

_HEAD = """# Results

This page is generated: `arms report --out docs/results.md`, from what `dvc repro` and `dvc repro studies/dvc.yaml`
wrote for each dataset. It opens with a summary; each dataset has a page with all tables and figures."""

_TERMS = """## How to read the numbers

- **EM** is the share of queries whose selected VLM was right, over the queries that at least one VLM of the pool
  answers. EM over all queries counts the others too; in the table above it follows after a semicolon. By this
  definition the oracle, which always picks a VLM that is right, has an EM of 1. **Best possible** is what a router
  would reach that knew each VLM's true chance of being right; only simulated VLMs have a known one.
- **Complete cases**: a pool is judged on the queries on which every VLM of it has an outcome. So routers and single
  VLMs are measured on the same queries, and each router has its whole choice. A **partial replay** takes the other
  queries too, each with the VLMs whose outcome is known there. It is biased: where a new VLM has no outcome, it can
  gain nothing. So it comes second, and is named.
- **Intervals** are 95 % bootstrap intervals over scenes; that of a gain or a margin is paired. In the first table
  they are those of a single run, each by itself. *Above* and *below* are said only where the simultaneous interval of
  the difference leaves out 0: over all seeds, corrected for all pairs of routers in that split and pool. *Level* is the
  rest.
- **`arms`** joins a net with its neighbours and the base rates, as far as left-out queries show that each can be
  trusted. **`plain`** is only the net: Phi on the base pool; on the extended pool the strategy that `extend.strategy`
  names.
- **The best single VLM** is chosen on the training split, by its complete cases.
- **Splits** are by scene: near-copies of a picture never part. All choices are made on val. The metrics of the test
  splits were seen more than once while this was developed; docs/log.md says where.
- Where a study has several **seeds**, a figure is their mean, with the lowest and the highest in brackets; what ARMS
  has over a variant is the difference of both means, with an interval corrected for all variants of the study."""

_COLUMNS = (
    "dataset",
    "split",
    "VLMs",
    "ARMS, EM; all queries",
    "gain over best single VLM",
    "best single VLM, EM; all queries",
    "kNN, EM; all queries",
    "ARMS over kNN",
    "best possible; all queries",
)
_OTHERS = ("best-single", "knn")
_WORDS = {"better": "above", "level": "level with", "worse": "below"}


class _Panel(NamedTuple):
    """One split and pool of a dataset: the metrics of each router there, and what may be claimed of ARMS.

    The metrics are those of a partial replay if `replayed`.
    """

    split: str
    pool: str
    num_vlms: int
    routers: dict[str, Mapping[str, Any]]
    replayed: bool
    claims: Mapping[str, Any]


def read_summaries(folder: Path) -> dict[str, dict[str, Any]]:
    """The summary of each dataset below a folder, the sample first.

    Raises
    ------
    ArmsError
        If there are none.
    """
    remedy = "run: dvc repro studies/dvc.yaml"
    files = sorted(folder.glob("*/summary.json"))
    found = {file.parent.name: read_json(file, "a summary of the studies", remedy) for file in files}
    if not found:
        raise ArmsError(f"{folder}: expected <data>/summary.json, found none; {remedy}")
    return dict(sorted(found.items(), key=lambda item: (item[0] != "sample", item[0])))


def results_page(
    summaries: Mapping[str, dict[str, Any]], descriptions: Mapping[str, str], *, folder: str, figure: str
) -> str:
    """Markdown of the summary.

    Parameters
    ----------
    summaries : mapping of str to dict
        What the studies wrote, by dataset: studies/results/<data>/summary.json.
    descriptions : mapping of str to str
        What each dataset is, from conf/data/<data>.yaml.
    folder : str
        Where the pages of the datasets are, as a link from this one.
    figure : str
        The headline figure (see `arms.reports.headline`) of the first dataset, as a link.
    """
    rows = [_COLUMNS, *(row for name, summary in summaries.items() for row in _rows(name, summary, folder))]
    parts = [
        _HEAD,
        markdown_table(rows),
        "\n".join(f"- {_sentences(name, summary, descriptions[name], folder)}" for name, summary in summaries.items()),
        *claims_section(summaries, folder),
        f"Speed, and what the bundled encoders can do: [benchmarks]({folder}/{BENCHMARKS}.md).",
        f"![EM of ARMS and of what it is compared with, on {next(iter(summaries))}]({figure})",
        _TERMS,
    ]
    return "\n\n".join(parts) + "\n"


def benchmarks_page(sections: Sequence[str], *, overview: str) -> str:
    """Markdown of the benchmarks, each a section with its own heading."""
    head = f"# Benchmarks\n\nThis page is generated; [all results]({overview}) says how."
    return "\n\n".join([head, *(section.rstrip() for section in sections)]) + "\n"


def _panels(summary: Mapping[str, Any]) -> Iterator[_Panel]:
    """The splits and pools with queries; an extended pool without a new VLM is the base pool over again."""
    metrics = summary["metrics"]
    for split in SPLIT_TITLES:
        pools = metrics["vlms"].get(split, {})
        for pool in POOL_TITLES:
            again = pool == "extended" and pools.get("base", {}).keys() == pools.get(pool, {}).keys()
            if again or pool not in metrics[ARMS][split]:
                continue
            here = {name: judged_or_replayed(metrics[name][split][pool]) for name in (ARMS, *_OTHERS)}
            if here[ARMS][0]["queries"]:
                of_each = {name: judged for name, (judged, _) in here.items()}
                claims = arms_claims(summary, split, pool)
                yield _Panel(split, pool, len(pools.get(pool, {})), of_each, replayed=here[ARMS][1], claims=claims)


def _rows(name: str, summary: Mapping[str, Any], folder: str) -> Iterator[list[str]]:
    for panel in _panels(summary):
        arms = panel.routers[ARMS]
        ceiling = arms.get("best_possible_em")
        yield [
            f"[{name}]({folder}/{name}.md)",
            SPLIT_TITLES[panel.split],
            f"{panel.num_vlms}, {panel.pool}{' (partial replay)' if panel.replayed else ''}",
            f"**{number(arms['em'])}** ({interval(arms, 'em')}); {number(arms['em_all'])}",
            with_interval(arms, "gain", sign=True),
            *(f"{with_interval(of, 'em')}; {number(of['em_all'])}" for of in map(panel.routers.get, _OTHERS) if of),
            "-" if arms.get("over_knn") is None else with_interval(arms, "over_knn", sign=True),
            "-" if ceiling is None else f"{number(ceiling)}; {number(over_all(arms, ceiling))}",
        ]


def _sentences(name: str, summary: Mapping[str, Any], description: str, folder: str) -> str:
    """What a dataset is, and where ARMS is above the best single VLM, plain routers and all others."""
    panels = [panel for panel in _panels(summary) if not panel.replayed]
    parts = [f"**[{name}]({folder}/{name}.md)**: {description.rstrip()}", *filter(None, [only_net_note(summary)])]
    if panels:
        parts += _claim_sentences(panels)
    else:
        parts.append("No answerable query has an outcome of every VLM of a pool, so nothing is compared here.")
    if panels and (routers := summary.get("routers")):
        parts.append(_beaten_by(panels, routers))
    for column, of in summary.get("unseen", {}).get("left_out", {}).items():
        parts.append(unseen_sentence(column, of["routers"]))
    if summary["quick"]:
        parts.append("(A quick run: the studies' figures mean nothing.)")
    return " ".join(parts)


def _claim_sentences(panels: Sequence[_Panel]) -> Iterator[str]:
    """A sentence for each reference that has a claim on every panel."""
    compared = [key for key in REFERENCES if panels and all(key in panel.claims for panel in panels)]
    if not compared:
        yield "Whether ARMS beats other routers was not studied here, so nothing is claimed."
    for place, reference in enumerate(compared):
        yield f"{'It' if place else 'ARMS'} is {_comparison(panels, reference, REFERENCES[reference])}."


def _comparison(panels: Sequence[_Panel], reference: str, other: str) -> str:
    """Such as "above kNN in distribution; level with it out of distribution with the base pool"."""
    by_word = {
        word: [panel for panel in panels if panel.claims[reference]["verdict"] == verdict]
        for verdict, word in _WORDS.items()
    }
    found = {word: within for word, within in by_word.items() if within}
    if len(found) == 1:
        return f"{next(iter(found))} {other}{' throughout' if len(panels) > 1 else ''}"
    texts = [f"{word} {{}} {_places(within, panels)}" for word, within in found.items()]
    return "; ".join(text.format(other if place == 0 else "it") for place, text in enumerate(texts))


def _beaten_by(panels: Sequence[_Panel], routers: Mapping[str, Any]) -> str:
    """How many other routers are above ARMS by the corrected claims, and where."""
    counts = [
        sum(ARMS in others for others in routers["beaten"].get(panel.split, {}).get(panel.pool, {}).values())
        for panel in panels
    ]
    board = routers["leaderboard"]
    others = f"Of the {len(board[panels[0].split][panels[0].pool].keys() - twins(board)) - 1} other routers"
    if not any(counts):
        return f"{others} and references, none is above ARMS."
    places = [f"{count} {_places([panel], panels)}" for panel, count in zip(panels, counts, strict=True) if count]
    return f"{others} and references, {' and '.join(places)} are above ARMS{'' if all(counts) else '; elsewhere none'}."


def _places(within: Sequence[_Panel], panels: Sequence[_Panel]) -> str:
    """Some of the panels in words; a split whose pools are all among them is named once."""
    texts = []
    for split, title in SPLIT_TITLES.items():
        pools = [panel.pool for panel in within if panel.split == split]
        if pools and len(pools) == sum(panel.split == split for panel in panels):
            texts.append(title)
        else:
            texts += [f"{title} with the {POOL_TITLES[pool]}" for pool in pools]
    return " and ".join(texts)

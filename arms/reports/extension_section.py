"""The part of a dataset's page that shows how the pool grows: strategies, what is forgotten, theta, few outcomes."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from arms.reports.markdown import markdown_table, number, with_interval
from arms.reports.studies_section import difference, spread
from arms.reports.titles import SPLIT_TITLES, split_title

_METRICS = {
    "accuracy": "accuracy",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "em": "EM",
    "em_all": "EM, all queries",
}


def extension_section(extension: Mapping[str, Any], figures: str) -> list[str]:
    """Tables and figures of the extension; empty where it was not studied.

    Parameters
    ----------
    extension : mapping
        "new", "strategies", "forgotten", "theta", and where they were studied "few-shot" and "initial", as
        `studies.extension_summary` writes them.
    figures : str
        The folder of the figures.
    """
    if not extension:
        return []
    parts = [
        "## Extending the pool",
        f'New: {", ".join(extension["new"])}. Seconds are those of training only. "Phi alone" chooses among its own '
        "VLMs, on the same queries; full retraining is a router over the extended pool, trained on all outcomes from "
        "nothing.",
        *_strategy_tables(extension["strategies"]),
        _forgotten(extension["forgotten"]),
        "**Theta of the independent strategy.** Where Phi is sure, no new VLM is asked, nor predicted to be right. At "
        "1.0 Phi never decides by itself (Fig. 7b of the paper).",
        *_theta_tables(extension["theta"]),
        f"![Five metrics by theta]({figures}/theta.png)",
    ]
    if "few-shot" in extension:
        parts += ["**From few outcomes of the new VLMs**", _few_shot_table(extension["few-shot"])]
        parts.append(f"![EM by the number of outcomes]({figures}/few-shot.png)")
    if "initial" in extension:
        parts.append("**Incremental training after a Phi on less data** (Fig. 7a of the paper)")
        parts.append(_initial_table(extension["initial"]))
        parts.append(f"![Five metrics by the share of the data that Phi was trained on]({figures}/initial.png)")
    return parts


def _strategy_tables(strategies: Mapping[str, Any]) -> Iterator[str]:
    header = ["strategy", "EM", "EM, all queries", "gain over best single", "minus Phi alone", "minus full retraining"]
    for split in SPLIT_TITLES:
        rows = [[*header, "a new VLM chosen", "s"]]
        for name, of in strategies.items():
            metrics = of["metrics"][split]
            if metrics["em"] is None:
                break
            rows.append(
                [
                    name,
                    with_interval(metrics, "em"),
                    number(metrics["em_all"]),
                    with_interval(metrics, "gain", sign=True),
                    difference(of["over_phi_alone"][split]),
                    difference(of["over_full"][split]),
                    f"{of['new_share'][split]:.0%}",
                    f"{of['seconds']:.1f}",
                ]
            )
        if len(rows) > 1:
            yield f"**{split_title(split)}**\n\n{markdown_table(rows)}"


def _forgotten(forgotten: Mapping[str, Any]) -> str:
    texts = [
        f"on {split} {of['before']['em']:.3f} before, {of['after']['em']:.3f} after, "
        f"{difference(of['after_minus_before'])}"
        for split, of in forgotten.items()
        if of["before"]["em"] is not None
    ]
    return f"What incremental training forgets, EM of the base pool: {'; '.join(texts)}."


def _few_shot_table(records: Sequence[Mapping[str, Any]]) -> str:
    splits = [split for split in SPLIT_TITLES if any(record["split"] == split for record in records)]
    strategies = list(dict.fromkeys(record["strategy"] for record in records))
    found = {tuple(record[key] for key in ("outcomes", "split", "strategy", "metric")): record for record in records}
    columns = [(split, strategy) for split in splits for strategy in strategies]
    rows = [["outcomes of each", *(f"{split}: {strategy}, EM; all queries" for split, strategy in columns)]]
    for count in sorted({record["outcomes"] for record in records}):
        ems = [[spread(found.get((count, *column, metric))) for metric in ("em", "em_all")] for column in columns]
        rows.append([f"{count:,}", *("; ".join(of) for of in ems)])
    return markdown_table(rows)


def _theta_tables(records: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for split in SPLIT_TITLES:
        found = {(record["theta"], record["calibrated"]): record for record in records if record["split"] == split}
        rows = [["theta", *_METRICS.values(), "EM, not calibrated"]]
        for theta in sorted({theta for theta, _ in found}):
            own, other = found[theta, True], found[theta, False]
            rows.append([f"{theta:g}", *(number(own[metric]) for metric in _METRICS), number(other["em"])])
        if any(record["em"] is not None for record in found.values()):
            yield f"**{split_title(split)}**\n\n{markdown_table(rows)}"


def _initial_table(records: Sequence[Mapping[str, Any]]) -> str:
    splits = [split for split in SPLIT_TITLES if any(record["split"] == split for record in records)]
    found = {(record["share"], record["split"], record["metric"]): record for record in records}
    rows = [["Phi's share of the images", *(f"{split}: {name}" for split in splits for name in _METRICS.values())]]
    for share in sorted({record["share"] for record in records}):
        cells = [spread(found.get((share, split, metric))) for split in splits for metric in _METRICS]
        rows.append([f"{share:.0%}", *cells])
    return markdown_table(rows)

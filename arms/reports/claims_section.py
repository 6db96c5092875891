"""Whether ARMS beats the best single VLM, kNN and logistic regression: a table over all datasets, splits and pools."""

from collections.abc import Iterator, Mapping
from typing import Any

from arms.reports.markdown import markdown_table, signed
from arms.reports.results_table import ARMS
from arms.reports.titles import POOL_TITLES, SPLIT_TITLES

REFERENCES = {"best-single": "the best single VLM", "knn": "kNN", "linear": "logistic regression"}
ANSWERS = {"better": "yes", "level": "level", "worse": "worse"}

_HEAD = """## Does ARMS beat them?

EM of ARMS minus that of the other, both as means over their seeds. In brackets the simultaneous 95 % interval, which
holds the variance of the seeds and is corrected for all pairs of routers that were compared in the row (max-T).
**yes**: it is above 0; **worse**: it is below 0; **level**: it holds 0, so nothing is claimed. Logistic regression is
the multinomial one on pooled embeddings (`linear`); `ovr`, one for each VLM with balanced classes, is among the other
routers."""


def claims_section(summaries: Mapping[str, Mapping[str, Any]], folder: str) -> list[str]:
    """The question, how it is answered, and the answers; empty where no dataset's routers were studied.

    Parameters
    ----------
    summaries : dataset -> what the studies wrote: studies/results/<data>/summary.json
    folder : where the pages of the datasets are, as a link from this one
    """
    rows = [row for name, summary in summaries.items() for row in _rows(name, summary, folder)]
    header = ["dataset", "split", "pool", "seeds", *REFERENCES.values()]
    return [_HEAD, markdown_table([header, *rows])] if rows else []


def arms_claims(summary: Mapping[str, Any], split: str, pool: str) -> Mapping[str, Any]:
    """What may be claimed of ARMS on one split and pool: reference -> numbers; empty where it was not studied."""
    claims: Mapping[str, Any] = summary.get("routers", {}).get("claims", {})
    return claims.get(split, {}).get(pool, {}).get(ARMS, {})


def _rows(name: str, summary: Mapping[str, Any], folder: str) -> Iterator[list[str]]:
    for split, split_title in SPLIT_TITLES.items():
        pools = summary["metrics"]["vlms"].get(split, {})
        for pool in POOL_TITLES:
            again = pool == "extended" and pools.get("base", {}).keys() == pools.get(pool, {}).keys()
            if (claims := arms_claims(summary, split, pool)) and not again:
                seeds = str(len(summary["routers"]["seeds"][ARMS]))
                answers = [_answer(claims.get(reference)) for reference in REFERENCES]
                yield [f"[{name}]({folder}/{name}.md)", split_title, pool, seeds, *answers]


def _answer(claim: Mapping[str, Any] | None) -> str:
    if claim is None:
        return "-"
    numbers = f"{signed(claim['difference'])} ({signed(claim['low'])} to {signed(claim['high'])})"
    return f"**{ANSWERS[claim['verdict']]}**, {numbers}"

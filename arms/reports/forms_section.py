"""The part of a dataset's page about queries with several images, none, or no question."""

from collections.abc import Mapping
from typing import Any

from arms.reports.markdown import markdown_table, with_interval
from arms.reports.titles import POOL_TITLES, split_title

ARMS = "arms"
_REFERENCES = {"best-single": "best single VLM", "knn": "kNN", "linear": "logistic regression"}


def forms_section(forms: Mapping[str, Any]) -> list[str]:
    """A table by form, split and pool; nothing where all queries have one image and a question.

    Parameters
    ----------
    forms : mapping
        form -> router -> split -> pool -> metrics, as `studies.routers` writes them.
    """
    if not forms:
        return []
    header = ["form", "split", "pool", "queries", "ARMS, EM", *_REFERENCES.values(), "ARMS over best single VLM"]
    rows = [
        [form, split_title(split), POOL_TITLES[pool], str(arms["queries"]), with_interval(arms, "em")]
        + [with_interval(routers[name][split][pool], "em") if name in routers else "-" for name in _REFERENCES]
        + [with_interval(arms, "gain", sign=True)]
        for form, routers in forms.items()
        for split, pools in routers[ARMS].items()
        for pool, arms in pools.items()
    ]
    return [
        "## By the form of the query",
        "The same routers, judged on queries of one form at a time. They were trained on all forms together, and the "
        "best single VLM is that of all training queries.",
        markdown_table([header, *rows], left=3),
    ]

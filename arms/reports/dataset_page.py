"""The page of one dataset: its tables and figures, with the published numbers beside."""

from collections.abc import Mapping
from typing import Any

from arms.reports.dataset_table import comparison_table, dataset_table, pool_table
from arms.reports.extension_section import extension_section
from arms.reports.forms_section import forms_section
from arms.reports.leaderboard import routers_section
from arms.reports.results_table import only_net_note, results_table, shown_routers
from arms.reports.splits_section import splits_section
from arms.reports.studies_section import studies_section
from arms.reports.unseen_section import unseen_section

# EM of ARMS after 2 epochs, by pool and split: Fig. 5 of arXiv:2606.08970.
PUBLISHED_EM = {
    ("base", "id"): 0.5739,
    ("base", "ood"): 0.4321,
    ("extended", "id"): 0.7958,
    ("extended", "ood"): 0.5428,
}


def dataset_page(name: str, summary: Mapping[str, Any], description: str, *, figures: str, overview: str) -> str:
    """Markdown for one dataset.

    Parameters
    ----------
    name, description : str
        As in conf/data/<name>.yaml.
    summary : mapping
        What the studies wrote: studies/results/<name>/summary.json.
    figures : str
        The folder of its figures, as a link from the page.
    overview : str
        The page of all results, as a link from this one.
    """
    settings = summary["settings"]
    parts = [
        f"# Results on {name}",
        f"This page is generated; [all results]({overview}) says how, and defines EM, intervals and routers.",
        f"{description} Encoders: {settings['encoders']}; {settings['epochs']} epochs; preset: {settings['preset']}; "
        "all else as in params.yaml.",
        only_net_note(summary),
        "**A quick run, to see that everything works: the studies' figures mean nothing.**" if summary["quick"] else "",
        "## ARMS and other routers",
        results_table(shown_routers(summary["metrics"])).rstrip(),
        _published_em(),
        f"![EM of routers and single VLMs]({figures}/em.png)",
        *studies_section(summary["studies"], figures),
        *extension_section(summary.get("extension", {}), figures),
        *routers_section(summary.get("routers", {}), figures),
        *forms_section(summary.get("routers", {}).get("forms", {})),
        *unseen_section(summary.get("unseen", {}), summary["metrics"], figures),
        "## Inside the router",
        f"![Gate by task and load of each expert]({figures}/gates.png)",
        f"![Confidences]({figures}/confidences.png)",
        f"![Reliability]({figures}/reliability.png)",
        f"![Map of the fused vectors]({figures}/map.png)",
        "## The dataset",
        pool_table(summary["pools"]),
        comparison_table(name, summary["comparison"]),
        dataset_table(summary["statistics"]),
        *splits_section(summary["splits"]),
        *(
            f"![Who is right where another is wrong, {split}]({figures}/rescue-{split}.png)"
            for split in summary["rescue"]
        ),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _published_em() -> str:
    cells = ", ".join(f"{em:.3f} on {split} with the {pool} pool" for (pool, split), em in PUBLISHED_EM.items())
    return f"Published for ARMS on other data, which is not public (arXiv:2606.08970, M2 and VHELM): {cells}."

"""`arms report`: the results of the last run."""

import os
from pathlib import Path

import click

from arms.cli.base import echo, json_option, metrics_option, need_extra, print_json
from arms.cli.completers import BASELINES, complete_dataset_name

REPORTS = Path("data/reports")
RESULTS, FIGURES = Path("studies/results"), Path("studies/figures")
BENCHMARK_RESULTS = Path("benchmarks/results")


@click.command(short_help="Print the results of the last run.")
@metrics_option
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Write the page of all results instead, and into a folder beside it a page for each dataset that was studied.",
)
@click.option(
    "--data",
    "dataset",
    metavar="NAME",
    shell_complete=complete_dataset_name,
    help="Write a page on this dataset of your own instead, with figures: whether to route, with which router, and "
    "what more data would bring.  [into the folder --out, by default data/reports/NAME]",
)
@json_option
def report(metrics: Path, out: Path | None, dataset: str | None, as_json: bool) -> None:
    """Print the results of the last run as Markdown tables, or as JSON by router, split and pool.

    \b
    Examples:
      arms report
      arms report --data mine
      arms report --out docs/results.md
    """
    if dataset is not None or out is not None:
        need_extra("arms report with figures", "pipeline")

    from arms.baselines.changed import changed_since
    from arms.reports.results_table import read_metrics, results_table

    for line in changed_since(BASELINES):
        echo(f"note: {line}", err=True)
    if dataset is not None:
        if as_json:
            raise click.UsageError("expected --json or --data, got both: the page is Markdown")
        from arms.reports.own_files import write_own_page

        echo(f"wrote {write_own_page(dataset, metrics, out or REPORTS / dataset)}", err=True)
        return
    if out is None:
        if as_json:
            print_json(read_metrics(metrics))
        else:
            echo(results_table(read_metrics(metrics)), nl=False)
        return
    if as_json:
        raise click.UsageError("expected --json or --out, got both: the page is Markdown")
    echo(f"wrote {', '.join(map(str, _write_pages(out)))}", err=True)


def _write_pages(out: Path) -> list[Path]:
    """Write the page of all results, a page for each dataset and one for the benchmarks, and the headline figure."""
    from arms.data.atomic import atomic_file
    from arms.params.data import read_data_params
    from arms.reports.dataset_page import dataset_page
    from arms.reports.headline import headline_bars
    from arms.reports.results_page import BENCHMARKS, benchmarks_page, read_summaries, results_page

    summaries = read_summaries(RESULTS)
    descriptions = {name: read_data_params(name).description for name in summaries}
    folder, figure = out.with_suffix(""), out.parent / "figures/em.png"
    overview, figures = f"../{out.name}", os.path.relpath(FIGURES, folder)
    pages = {out: results_page(summaries, descriptions, folder=folder.name, figure="figures/em.png")}
    for name, summary in summaries.items():
        page = dataset_page(name, summary, descriptions[name], figures=f"{figures}/{name}", overview=overview)
        pages[folder / f"{name}.md"] = page
    files = [file for file in sorted(BENCHMARK_RESULTS.glob("*.md")) if not file.stem.endswith("-quick")]
    sections = [file.read_text(encoding="utf-8") for file in files]
    pages[folder / f"{BENCHMARKS}.md"] = benchmarks_page(sections, overview=overview)
    for path, text in pages.items():
        with atomic_file(path) as draft:
            draft.write_text(text, encoding="utf-8")
    first = next(iter(summaries))
    headline_bars(summaries[first]["metrics"], figure, dataset=first.capitalize())
    return [*pages, figure]

"""`arms report`: the results of the last run."""

from pathlib import Path

import click

from arms.cli.base import json_option, print_json


@click.command(short_help="Print the results of the last run.")
@click.option(
    "--metrics",
    type=click.Path(path_type=Path),
    default=Path("metrics"),
    show_default=True,
    help="The folder of metrics files.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the page of all results, of every dataset whose studies were run, instead.",
)
@json_option
def report(metrics: Path, out: Path | None, as_json: bool) -> None:
    """Print the results of the last run as Markdown tables, or as JSON by router, split and pool.

    \b
    Examples:
      arms report
      arms report --out docs/results.md
    """
    from arms.data.atomic import atomic_file
    from arms.params import read_data_params
    from arms.reports.results_page import read_summaries, results_page
    from arms.reports.results_table import read_metrics, results_table

    if out is None:
        if as_json:
            print_json(read_metrics(metrics))
        else:
            click.echo(results_table(read_metrics(metrics)), nl=False)
        return
    if as_json:
        raise click.UsageError("expected --json or --out, got both: the page is Markdown")
    summaries = read_summaries(Path("studies/results"))
    descriptions = {name: read_data_params(name).description for name in summaries}
    pages = sorted(Path("benchmarks/results").glob("*.md"))
    benchmarks = [file.read_text(encoding="utf-8") for file in pages if not file.stem.endswith("-quick")]
    with atomic_file(out) as draft:
        draft.write_text(results_page(summaries, descriptions, benchmarks), encoding="utf-8")
    click.echo(f"wrote {out}: {', '.join(summaries)}", err=True)

"""The `arms` command."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from arms import __version__
from arms.errors import ArmsError


class _Group(click.Group):
    """Ends with the text of an ArmsError and exit status 1, not with a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ArmsError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="arms")
def main() -> None:
    """Route image questions to the vision-language model most likely to answer them."""


@main.command()
@click.option("--image", required=True, type=click.Path(path_type=Path), help="The picture asked about.")
@click.option("--question", required=True, help="The question.")
@click.option(
    "--router",
    "folder",
    type=click.Path(path_type=Path),
    default=Path("data/routers/independent"),
    show_default=True,
    help="A trained router's folder.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def route(image: Path, question: str, folder: Path, as_json: bool) -> None:
    """Rank the pool for one query.

    \b
    Example:
      arms route --image photo.png --question "How many chairs are there?"
    """
    from arms.routers.base import Router

    result = Router.load(folder).route(image, question)
    if as_json:
        ranking = [{"vlm": ranked.vlm, "confidence": round(ranked.confidence, 4)} for ranked in result.ranking]
        click.echo(json.dumps({"vlm": result.vlm, "ranking": ranking}, ensure_ascii=False))
        return
    width = max(len(ranked.vlm) for ranked in result.ranking)
    for place, ranked in enumerate(result.ranking, start=1):
        click.echo(f"{place}. {ranked.vlm:<{width}}  {ranked.confidence:.3f}")


@main.group(name="import")
def import_() -> None:
    """Bring recorded outcomes into data/raw/."""


@import_.command(name="tables")
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--name", help="Name of the dataset; the source folder's by default.")
@click.option("--strict", is_flag=True, help="Refuse a dataset with unusable rows instead of setting them aside.")
@click.option("--replace", is_flag=True, help="Replace a dataset of that name.")
@click.option("--workers", type=click.IntRange(min=1), default=4, show_default=True, help="Threads that check images.")
def import_tables_command(source: Path, name: str | None, strict: bool, replace: bool, workers: int) -> None:
    """Validate outcome tables and copy them into data/raw/<name>.

    SOURCE is a folder with queries.parquet, outcomes.parquet, vlms.yaml and the images.

    \b
    Example:
      arms import tables ~/evaluations/blindtest --name blindtest
    """
    from arms.data.importers.tables import import_tables

    name = name or source.resolve().name
    destination = Path("data/raw") / name
    with _bar("check images") as progress:
        report = import_tables(source, destination, strict=strict, workers=workers, progress=progress, replace=replace)
    click.echo(report.text())
    click.echo(f"imported into {destination}")
    settings = Path("conf/data") / f"{name}.yaml"
    if not settings.exists():
        click.echo(
            f"next: name its pools in {settings}, as in conf/data/blindtest.yaml; then: dvc exp run -S data={name}"
        )


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--strict", is_flag=True, help="Exit with status 1 if a row is unusable.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--workers", type=click.IntRange(min=1), default=4, show_default=True, help="Threads that check images.")
def validate(folder: Path, strict: bool, as_json: bool, workers: int) -> None:
    """Check a dataset in outcome-table form and report every unusable row.

    \b
    Example:
      arms validate data/raw/blindtest
    """
    from arms.data.tables import read_dataset
    from arms.data.validation import validate as validate_dataset

    with _bar("check images") as progress:
        report = validate_dataset(read_dataset(folder), strict=strict, workers=workers, progress=progress).report
    click.echo(json.dumps(report.to_dict(), indent=2, ensure_ascii=False) if as_json else report.text())


@main.command()
@click.option(
    "--metrics",
    type=click.Path(path_type=Path),
    default=Path("metrics"),
    show_default=True,
    help="The folder of metrics files.",
)
def report(metrics: Path) -> None:
    """Print the results of the last run as Markdown tables.

    \b
    Example:
      arms report
    """
    from arms.evaluation.report import read_metrics, results_table

    click.echo(results_table(read_metrics(metrics)), nl=False)


@contextmanager
def _bar(label: str) -> Iterator[Any]:
    """A progress bar on a terminal; nothing in a pipe."""
    from tqdm import tqdm

    with tqdm(desc=label, unit="images", disable=not sys.stderr.isatty(), leave=False) as bar:

        def update(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield update


if __name__ == "__main__":
    main()

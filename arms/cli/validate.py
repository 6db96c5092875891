"""`arms validate`: check a dataset row by row."""

from pathlib import Path

import click

from arms.cli.base import echo, json_option, print_json, workers_option
from arms.cli.completers import complete_dataset


@click.command(short_help="Check a dataset row by row.")
@click.argument("folder", type=click.Path(path_type=Path), shell_complete=complete_dataset)
@click.option("--strict", is_flag=True, help="Exit with status 1 if a row is unusable.")
@json_option
@workers_option
def validate(folder: Path, strict: bool, as_json: bool, workers: int) -> None:
    """Check a dataset in outcome-table form and report every unusable row.

    FOLDER holds queries.parquet, outcomes.parquet, vlms.yaml and the images; every image is decoded.

    \b
    Examples:
      arms validate data/raw/blindtest
      arms validate data/raw/blindtest --strict --json
    """
    from arms.data.tables import read_dataset
    from arms.data.validation import validate as validate_dataset

    report = validate_dataset(read_dataset(folder), strict=strict, workers=workers).report
    if as_json:
        print_json(report.to_dict())
    else:
        echo(report.text())

"""`arms extend`: add new VLMs to a trained router."""

from pathlib import Path
from typing import Literal

import click

from arms.cli.base import json_option, print_json
from arms.cli.completers import ROUTERS, complete_router


@click.command()
@click.option(
    "--profile", required=True, type=click.Path(path_type=Path), help="YAML: an entry of vlms.yaml, or several."
)
@click.option(
    "--outcomes", required=True, type=click.Path(path_type=Path), help="Parquet or CSV: query_id, vlm, correct."
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The extended router's folder.")
@click.option(
    "--router",
    "folder",
    type=click.Path(path_type=Path),
    default=ROUTERS / "arms-base",
    show_default=True,
    shell_complete=complete_router,
    help="The router to extend; it stays as it is.",
)
@click.option(
    "--strategy",
    type=click.Choice(["independent", "incremental"]),
    help="A router for the new VLMs behind the old one, or a copy of the old one that goes on training.  "
    "[default: extend.strategy of params.yaml]",
)
@click.option(
    "--theta",
    type=click.FloatRange(0, 1),
    help="Confidence above which no router behind is asked.  [default: the cascade's own, or extend.theta]",
)
@click.option("--replace", is_flag=True, help="Replace a router at --out.")
@json_option
def extend(
    profile: Path,
    outcomes: Path,
    out: Path,
    folder: Path,
    strategy: Literal["independent", "incremental"] | None,
    theta: float | None,
    replace: bool,
    as_json: bool,
) -> None:
    """Add new VLMs to a trained router.

    The outcomes are on queries of the prepared dataset that params.yaml names. The router learns from those on training
    queries and is calibrated on those on val; the others are only for the report. The report compares the old and the
    new router on the queries on which every VLM has an outcome. Only the profiles are encoded.

    \b
    Example:
      arms extend --profile new.yaml --outcomes outcomes.parquet --out data/routers/mine
    """
    from arms.extension.saved import Request, extend_router, report_text
    from arms.params import read_params

    params = read_params()
    request = Request(
        profile=profile,
        outcomes=outcomes,
        prepared=Path("data/prepared") / params.data,
        features=Path("data/features") / params.data / params.encoders,
        router=folder,
        out=out,
        strategy=strategy or params.extend.strategy,
        theta=theta,
        replace=replace,
    )
    report = extend_router(request, params)
    if as_json:
        print_json(report)
    else:
        click.echo(report_text(report))

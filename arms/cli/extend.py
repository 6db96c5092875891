"""`arms extend`: add new VLMs to a trained router, or name the queries to run them on first."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import click

from arms.cli.base import echo, echo_table, json_option, need_extra, print_json
from arms.cli.completers import ROUTERS, complete_router


@click.command()
@click.option("--profile", type=click.Path(path_type=Path), help="YAML: an entry of vlms.yaml, or several.")
@click.option(
    "--outcomes",
    type=click.Path(path_type=Path),
    help="Parquet or CSV: query_id, vlm, correct; without it a VLM is scored by its profile.",
)
@click.option("--out", type=click.Path(path_type=Path), help="The extended router's folder; with --plan, a CSV file.")
@click.option(
    "--plan",
    type=click.IntRange(min=1),
    metavar="N",
    help="Extend nothing: name the N training queries to run a new VLM on, the most useful first.",
)
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
    "[default: extend.strategy of params.yaml; without --outcomes incremental]",
)
@click.option(
    "--theta",
    type=click.FloatRange(0, 1),
    help="Confidence above which no router behind is asked.  [default: the cascade's own, or extend.theta]",
)
@click.option("--replace", is_flag=True, help="Replace what is at --out: a router, or with --plan a file.")
@json_option
def extend(
    profile: Path | None,
    outcomes: Path | None,
    out: Path | None,
    plan: int | None,
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

    --profile and --out are needed, but for --plan. The plan is a CSV table: query_id, images (with ; between them),
    question.

    \b
    Examples:
      arms extend --profile new.yaml --outcomes outcomes.parquet --out data/routers/mine
      arms extend --profile new.yaml --out data/routers/untried
      arms extend --plan 64 --out plan.csv
    """
    need_extra("arms extend", "pipeline")
    if plan is not None:
        _check_not_given({"--profile": profile, "--outcomes": outcomes, "--strategy": strategy, "--theta": theta})
        _plan(folder, plan, out, replace, as_json)
        return
    if profile is None or out is None:
        given = {"--profile": profile, "--out": out}
        missing = ", ".join(option for option, value in given.items() if value is None)
        raise click.UsageError(f"expected --profile and --out, or only --plan; missing: {missing}")

    from arms.encoders.origins import know_settings
    from arms.extension.request import Request
    from arms.extension.saved import extend_router, report_text
    from arms.params.tree import read_params
    from arms.routers.remote import local_router

    know_settings()
    params = read_params()
    request = Request(
        profile=profile,
        outcomes=outcomes,
        prepared=Path("data/prepared") / params.data,
        features=Path("data/features") / params.data / params.encoders,
        router=local_router(folder),
        out=out,
        strategy=strategy or ("incremental" if outcomes is None else params.extend.strategy),
        theta=theta,
        replace=replace,
    )
    report = extend_router(request, params)
    if as_json:
        print_json(report)
    else:
        echo(report_text(report))


def _check_not_given(options: Mapping[str, Any]) -> None:
    """The options that mean nothing with --plan."""
    if given := [option for option, value in options.items() if value is not None]:
        raise click.UsageError(f"--plan: expected no {', '.join(given)}: it names queries before a new VLM was run")


def _plan(folder: Path, number: int, out: Path | None, replace: bool, as_json: bool) -> None:
    """Print the plan, or write it."""
    from arms.data.atomic import atomic_file
    from arms.data.prepared import read_prepared
    from arms.encoders.origins import know_settings
    from arms.errors import ArmsError
    from arms.extension.plan import plan_table
    from arms.params.tree import read_params
    from arms.routers.saved import load_router

    if out and as_json:
        raise click.UsageError("expected --json or --out, got both: the plan is written as CSV")
    if out and out.exists() and not replace:
        raise ArmsError(
            f"--out {out}: expected nothing there, got an existing path; name another file, or add --replace"
        )
    know_settings()
    params = read_params()
    prepared = read_prepared(Path("data/prepared") / params.data)
    router = load_router(folder, device=params.runtime.device)
    table = plan_table(router, str(folder), prepared, Path("data/raw") / params.data, number)
    as_csv = table.assign(images=table["images"].str.join(";")).to_csv(index=False)
    if as_json:
        print_json(table.to_dict("records"))
    elif out:
        with atomic_file(out) as draft:
            draft.write_text(as_csv, encoding="utf-8", newline="")
        echo(f"wrote {out}", err=True)
    else:
        echo_table(as_csv)
    if len(table) < number:
        echo(f"the router was trained on {len(table):,} queries: the plan has all of them", err=True)

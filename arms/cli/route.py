"""`arms route`: rank the pool for one query, or for each query of a table."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from arms.cli.base import echo, json_option, print_json
from arms.cli.completers import STARTER, complete_router, complete_vlm, default_router
from arms.cli.policy_options import chosen_policy, policy_options
from arms.data.storage.urls import is_url, tidy_url

if TYPE_CHECKING:
    from arms.routers.router import Router
    from arms.safe.why import Why

STARTER_NOTE = ", the starter: it knows simulated VLMs only; train your own router with: make repro"


@click.command()
@click.option(
    "--image",
    "images",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A picture that is asked about; repeat for several, in their order. None: words alone are asked.",
)
@click.option("--question", default="", help="The question; may be left out where there is a picture.")
@click.option(
    "--router",
    "folder",
    type=click.Path(path_type=Path),
    shell_complete=complete_router,
    help="A trained router's folder, or its URL.  [default: data/routers/arms, else the starter that comes with arms]",
)
@click.option(
    "--exclude",
    multiple=True,
    metavar="NAME",
    shell_complete=complete_vlm,
    help="A VLM to leave out of the pool; repeat for several.",
)
@policy_options
@click.option(
    "--table",
    type=click.Path(path_type=Path),
    help="A table with a query in each row (CSV, TSV, XLSX, JSON, JSON Lines, Parquet), in the place of --image and "
    "--question; its columns: query_id, images, question.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="The file that the table's routes go into, in .parquet, .csv or .jsonl.",
)
@click.option(
    "--images-root",
    type=click.Path(path_type=Path),
    help="The folder that the table's image paths are relative to.  [default: the table's]",
)
@click.option(
    "--part-queries",
    type=click.IntRange(min=1),
    default=1000,
    show_default=True,
    help="Routes of so many of the table's queries are kept at a time while it goes on; a kill loses the last ones.",
)
@click.option("--tools", is_flag=True, help="Leave out VLMs that call no tools, as far as their profiles say.")
@click.option("--why", is_flag=True, help="Say what decided, and who was right on the most similar training queries.")
@json_option
def route(
    images: tuple[Path, ...],
    question: str,
    folder: Path | None,
    exclude: tuple[str, ...],
    cheapest_above: float | None,
    budget: float | None,
    cost_penalty: float | None,
    table: Path | None,
    out: Path | None,
    images_root: Path | None,
    part_queries: int,
    tools: bool,
    why: bool,
    as_json: bool,
) -> None:
    """Rank the pool for one query, or for each query of a table.

    The VLM chosen comes first, the others by confidence. With --cheapest-above, --budget or --cost-penalty, one of the
    three, costs count too, in USD, as the evaluation of the router expects them.

    Without --router, and before a router was trained, the starter answers: it knows seven simulated VLMs, and is only
    for trying this command. The error stream says which router was used, and which dataset it was made on.

    With --table the routes go into the file --out: for each query_id the VLM chosen, its confidence and expected cost,
    and the confidence of each VLM. A run that was stopped goes on where it was if the same is run again.

    \b
    Examples:
      arms route --image photo.png --question "How many chairs are there?"
      arms route --image before.png --image after.png --question "What has changed?"
      arms route --image photo.png --question "What is this?" --exclude sim-lynx-8b --exclude sim-atlas
      arms route --image photo.png --question "What is this?" --cheapest-above 0.7
      arms route --image photo.png --question "What is this?" --budget 0.001
      arms route --image photo.png --question "What is this?" --why
      arms route --table queries.csv --out routes.parquet
    """
    policy = chosen_policy(cheapest_above, budget, cost_penalty)
    used = folder or default_router()
    options: dict[str, Any] = {"exclude": exclude, "policy": policy, "why": why, "tools": tools}
    if _asks_table(table, out, images_root, has_query=bool(images or question)):
        assert table is not None
        assert out is not None
        root = table.parent if images_root is None else images_root
        _route_table(table, out, root, used, part_queries, options, named=folder is not None, as_json=as_json)
        return
    if not images and not question.strip():
        raise click.UsageError("expected --question, --image or both, got neither")

    from arms.data.pictures import open_picture

    pictures = [open_picture(image) for image in images]  # refused before the libraries and the router, which take long

    from arms.encoders.origins import know_settings
    from arms.routers.router import Router

    know_settings()
    router = Router.load(used)
    result = router.route(pictures, question, **options)
    _tell_router(router, used, named=folder is not None)
    if as_json:
        data = None if router.origin is None else router.origin.data
        print_json({**result.to_json(), "router": _shown(used), "data": data}, indent=None)
        return
    width = max(len(ranked.vlm) for ranked in result.ranking)
    for place, ranked in enumerate(result.ranking, start=1):
        cost = "" if ranked.expected_cost_usd is None else f"  ${ranked.expected_cost_usd:.6f}"
        echo(f"{place}. {ranked.vlm:<{width}}  {ranked.confidence:.3f}{cost}")
    for vlm, reason in result.unable.items():
        echo(f"left out: {vlm} {reason}")
    if result.why is not None:
        echo("\n".join(_why_lines(result.why)))


def _asks_table(table: Path | None, out: Path | None, images_root: Path | None, *, has_query: bool) -> bool:
    """Whether a table is to be routed; a UsageError if the options do not go together."""
    if table is None:
        for option, value in (("--out", out), ("--images-root", images_root)):
            if value is not None:
                raise click.UsageError(f"{option}: expected --table with it, got none")
        return False
    if has_query:
        raise click.UsageError("expected --table, or --image and --question, got both")
    if out is None:
        raise click.UsageError("--table: expected --out, the file that its routes go into, got none")
    return True


def _route_table(
    table: Path,
    out: Path,
    root: Path,
    used: Path,
    part_queries: int,
    options: dict[str, Any],
    *,
    named: bool,
    as_json: bool,
) -> None:
    from arms.cli.route_parts import check_ending
    from arms.cli.route_table import route_table
    from arms.encoders.origins import know_settings

    check_ending(out)
    know_settings()
    router, routed = route_table(table, out, root=root, folder=used, part_queries=part_queries, options=options)
    _tell_router(router, used, named=named)
    if as_json:
        data = None if router.origin is None else router.origin.data
        print_json({**asdict(routed), "out": str(out), "router": _shown(used), "data": data}, indent=None)
        return
    echo(f"{out}: {routed.text}")


def _tell_router(router: "Router", used: Path, *, named: bool) -> None:
    """Say on the error stream which router answered, unless it was named and nothing is known of it."""
    if not named or router.origin is not None:
        made = "" if router.origin is None else f", of the dataset {router.origin}"
        echo(f"router: {_shown(used)}{made}{STARTER_NOTE if used == STARTER else ''}", err=True)


def _shown(folder: Path) -> str:
    """A router's URL, or its folder, from the working directory where it lies below it."""
    if is_url(folder):
        return tidy_url(folder)
    return str(folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder)


def _why_lines(why: "Why") -> list[str]:
    """What stands behind a route, in words."""
    if why.decided_by == "default":
        decided = f"{why.default}, the best single VLM: neither net nor neighbours say enough for another"
    else:
        says = "the net says" if why.decided_by == "net" else "the neighbours say"
        decided = f"{why.surest} instead of {why.default}, the best single VLM: {says} most for it"
    lines = [
        "",
        f"decided by: {why.decided_by} ({decided})",
        f"chance that it is right where only one of the two is: {why.beats_default:.2f}",
        f"novelty: {why.novelty:.2f} (0: a copy of training queries); net and neighbours count {why.trust:.0%}",
        "most similar training queries:",
    ]
    for near in why.neighbours:
        right, wrong = (", ".join(names) or "none" for names in (near.right, near.wrong))
        lines.append(f"  {near.query_id}  similarity {near.similarity:.2f}  right: {right}  wrong: {wrong}")
    return lines

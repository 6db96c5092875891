"""`arms card`: a router's model card."""

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from arms.cli.base import echo, json_option, metrics_option, print_json
from arms.cli.completers import BASELINES, ROUTERS, complete_router, default_router

if TYPE_CHECKING:
    from arms.routers.origin import Origin

SUMMARY = "summary.json"
# By a router's folder: the metrics file that judges it, and in which pool.
_JUDGED = {
    ROUTERS / "arms": ("arms", "extended"),
    ROUTERS / "arms-base": ("arms", "base"),
    ROUTERS / "phi": ("plain", "base"),
    ROUTERS / "incremental": ("incremental", "extended"),
    ROUTERS / "independent": ("independent", "extended"),
}


@click.command(short_help="Print a router's model card.")
@click.argument(
    "folder",
    metavar="[ROUTER]",
    required=False,
    type=click.Path(path_type=Path),
    shell_complete=complete_router,
)
@metrics_option
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write it into a file instead, as README.md beside the router.",
)
@json_option
def card(folder: Path | None, metrics: Path, out: Path | None, as_json: bool) -> None:
    """Print the model card of a router, in the form of the Hugging Face Hub: Markdown with YAML at its head.

    ROUTER is the router's folder; by default that of `arms route`. The card names the pool with the costs that are
    expected, the dataset and how its queries are divided, the commit of this project, and, for a router of the
    pipeline, how the last run judged it, if that was on the same dataset.

    \b
    Examples:
      arms card
      arms card data/routers/baselines/knn
      arms card data/routers/arms --out README.md
    """
    from arms.data.atomic import atomic_file
    from arms.routers.card import model_card
    from arms.routers.saved import load_router

    if out and as_json:
        raise click.UsageError("expected --json or --out, got both: the card is Markdown")
    used = folder or default_router()
    router = load_router(used, device="cpu")
    judged = None if router.origin is None else _metrics(used, router.origin, metrics)
    made = model_card(router, used.name, metrics=judged, commit=_commit())
    if as_json:
        print_json({"head": made.data.to_dict(), "text": made.text})
    elif out:
        with atomic_file(out) as draft:
            draft.write_text(str(made), encoding="utf-8")
        echo(f"wrote {out}", err=True)
    else:
        echo(str(made), nl=False)


def _metrics(folder: Path, origin: "Origin", metrics: Path) -> dict[str, Any] | None:
    """How the pipeline judged a router, by split; None for another router, and for a run on another dataset."""
    place = folder.resolve()
    known = {path.resolve(): judged for path, judged in _JUDGED.items()}
    name, pool = known.get(place, (place.name, "extended") if place.parent == BASELINES.resolve() else (None, ""))
    file, summary = metrics / f"{name}.json", metrics / SUMMARY
    if name is None or not file.is_file() or not summary.is_file():
        return None
    if json.loads(summary.read_text(encoding="utf-8"))["data"] != origin.data:
        return None
    return {split: pools[pool] for split, pools in json.loads(file.read_text(encoding="utf-8")).items()}


def _commit() -> str | None:
    """The commit of the project in the working directory, if it is one under Git; with a word if files differ."""
    try:
        found = [
            subprocess.run(["git", *arguments], capture_output=True, text=True, timeout=30)
            for arguments in (["rev-parse", "HEAD"], ["status", "--porcelain"])
        ]
    except (OSError, subprocess.SubprocessError):
        return None
    if found[0].returncode:
        return None
    return found[0].stdout.strip() + (", with changes that are not committed" if found[1].stdout.strip() else "")

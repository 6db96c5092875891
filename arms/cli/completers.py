"""What a shell offers for the values of arguments: routers, datasets and VLMs that are there.

A shell asks at every key press, so only file names and small JSON are read, and broken files are skipped.
"""

import json
from collections.abc import Iterable
from pathlib import Path

import click
from click.shell_completion import CompletionItem

ROUTERS = Path("data/routers")
TRAINED = ROUTERS / "arms"
BASELINES = ROUTERS / "baselines"
STARTER = Path(__file__).resolve().parent / "starter"  # comes with the package; see its MODEL_CARD.md
RAW = Path("data/raw")
DATA_SETTINGS = Path("conf/data")

DESCRIPTION = "router.json"  # of `arms.routers.checkpoint`, which loads torch
_QUERIES = "queries.parquet"  # of `arms.data.tables`, which loads pandas


def default_router() -> Path:
    """The router that `arms route` uses where none is named: the trained one, or the starter where nothing is."""
    return TRAINED if TRAINED.exists() else STARTER


def complete_router(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The trained routers under data/routers, baselines too, or folders if none fits."""
    found = [*_folders(ROUTERS, DESCRIPTION, incomplete), *_folders(BASELINES, DESCRIPTION, incomplete)]
    return found or [CompletionItem(incomplete, type="dir")]


def complete_dataset(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The datasets under data/raw, or files and folders if none fits."""
    return _folders(RAW, _QUERIES, incomplete) or [CompletionItem(incomplete, type="file")]


def complete_dataset_name(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The names of the datasets that have settings or tables."""
    settings = (file.stem for file in DATA_SETTINGS.glob("*.yaml"))
    return _items({*settings, *(file.parent.name for file in RAW.glob(f"*/{_QUERIES}"))}, incomplete)


def complete_access(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Free or paid, also behind the name of a VLM."""
    vlm, equals, word = incomplete.rpartition("=")
    return [CompletionItem(f"{vlm}{equals}{one}") for one in ("free", "paid") if one.startswith(word)]


def complete_vlm(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The VLMs in the pool of the router that --router names, without those already given."""
    folder = Path(ctx.params.get("folder") or default_router())
    given = ctx.params.get(param.name or "") or ()
    return _items((name for name in _pool(folder) if name not in given), incomplete)


def _folders(parent: Path, marker: str, incomplete: str) -> list[CompletionItem]:
    """The folders in `parent` that hold a file of the name `marker`."""
    return _items((str(file.parent) for file in parent.glob(f"*/{marker}")), incomplete)


def _items(names: Iterable[str], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in sorted(names) if name.startswith(incomplete)]


def _pool(folder: Path) -> list[str]:
    """The VLMs of a router: its own, or those of the routers inside it, at most two deep; none if it cannot be read."""
    names: dict[str, None] = {}
    inside = [file for depth in ("*", "*/*") for file in folder.glob(f"{depth}/{DESCRIPTION}")]
    for file in filter(Path.is_file, (folder / DESCRIPTION, *inside)):
        try:
            entries = json.loads(file.read_text(encoding="utf-8")).get("vlms", [])
            names |= dict.fromkeys(entry["name"] for entry in entries)
        except (OSError, ValueError, AttributeError, KeyError, TypeError, RecursionError):
            continue
    return list(names)

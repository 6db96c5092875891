"""`arms features`: look into the feature stores, and check them."""

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from arms.cli.base import count, echo, json_option, need_extra, print_json, size
from arms.data.storage.urls import is_url, tidy_url
from arms.errors import ArmsError

if TYPE_CHECKING:
    from arms.features.inspection import StoreInfo
    from arms.features.remote import RemoteStore


@click.group()
def features() -> None:
    """Look into the feature stores, and check them.

    \b
    Examples:
      arms features info
      arms features verify
    """


@features.command(name="info")
@click.argument("path", type=click.Path(path_type=Path), default=Path("data/features"))
@json_option
def features_info(path: Path, as_json: bool) -> None:
    """Say what each feature store holds, and how much.

    PATH is one store (*.zarr) or a folder with stores below it; data/features by default.

    \b
    Example:
      arms features info data/features/sample
    """
    need_extra("arms features", "pipeline")

    from arms.features.inspection import describe_store
    from arms.features.store import FeatureStore

    described: list[dict[str, Any]] = []
    for folder in store_folders(path):
        try:
            described.append(_describe(describe_store(FeatureStore.at(folder))))
        except ArmsError as error:  # the others are still described
            described.append({"path": str(folder.parent), "fingerprint": folder.name, "error": str(error)})
    if as_json:
        print_json(described)
    else:
        echo("\n\n".join(_info_text(store) for store in described))
    if any("error" in store for store in described):
        sys.exit(1)


@features.command(name="verify", short_help="Read feature stores whole and check all of it.")
@click.argument("path", type=click.Path(path_type=Path), default=Path("data/features"))
@json_option
def features_verify(path: Path, as_json: bool) -> None:
    """Read feature stores whole, compare all checksums, and report everything that is wrong.

    PATH is one store (*.zarr) or a folder with stores below it, here or in an object store; data/features by default.
    Exits with status 1 if anything is wrong.

    \b
    Examples:
      arms features verify data/features/sample/bundled/image.zarr
      arms features verify s3://bucket/features
    """
    need_extra("arms features", "pipeline")
    if is_url(path):
        _verify_there(tidy_url(path), as_json)
        return

    from arms.features.inspection import describe_store, verify_store
    from arms.features.store import FeatureStore

    folders, problems, infos, started = store_folders(path), [], [], time.perf_counter()
    for folder in folders:
        try:
            store = FeatureStore.at(folder)
            problems += verify_store(store)
            infos.append(describe_store(store))
        except ArmsError as error:
            problems.append(str(error))
    elapsed_s = time.perf_counter() - started
    problems = list(dict.fromkeys(problems))
    shards, rows, num_bytes = (sum(getattr(info, name) for info in infos) for name in ("shards", "rows", "num_bytes"))
    if as_json:
        print_json({"stores": len(folders), "shards": shards, "rows": rows, "bytes": num_bytes, "problems": problems})
    else:
        for problem in problems:
            echo(problem)
        echo(
            f"checked {count(len(folders), 'store')}, {count(shards, 'shard')}, {count(rows, 'row')}, "
            f"{size(num_bytes)} in {elapsed_s:.1f} s ({size(num_bytes / elapsed_s)}/s): "
            f"{count(len(problems), 'problem')}"
        )
    if problems:
        sys.exit(1)


def _verify_there(url: str, as_json: bool) -> None:
    from arms.features.mirror import verify_remote

    remotes = stores_there(url)
    problems = [problem for remote in remotes for problem in verify_remote(remote)]
    if as_json:
        print_json({"stores": len(remotes), "problems": problems})
    else:
        echo("\n".join([*problems, f"checked {count(len(remotes), 'store')}: {count(len(problems), 'problem')}"]))
    if problems:
        sys.exit(1)


def stores_there(url: str) -> "list[RemoteStore]":
    """The features of every encoder below a URL; an ArmsError if none are listed."""
    from arms.features.remote import RemoteStore

    if not (found := RemoteStore.all_in(url)):
        raise ArmsError(
            f"{url}: expected feature stores (*.zarr) there, found none; push them: arms push data/features {url} (a "
            "store may list what was pushed just now a little later)"
        )
    return found


def store_folders(path: Path) -> list[Path]:
    """The folder of each fingerprint in the store at `path`, or in those below it."""
    stores = [path] if path.suffix == ".zarr" else []
    for folder, names, _ in os.walk(path) if not stores else ():
        stores += [Path(folder, name) for name in names if name.endswith(".zarr")]
        names[:] = [name for name in names if not name.endswith(".zarr")]
    # A store that lost its list of shards counts too.
    folders = {
        file.parent for store in sorted(stores) for name in ("zarr.json", "shard-*") for file in store.glob(f"*/{name}")
    }
    if not folders:
        raise ArmsError(f"{path}: expected feature stores (*.zarr) there, found none; run: dvc repro encode")
    return sorted(folders)


def _describe(info: "StoreInfo") -> dict[str, Any]:
    """A store as JSON; a store of the encoder's inputs has no blocks and no precision."""
    encoder = info.fingerprint.get("encoder")
    return {
        "path": str(info.path),
        "fingerprint": info.id,
        "encoder": encoder or "inputs",
        "blocks_frozen": info.fingerprint.get("blocks_frozen"),
        "precision": info.fingerprint.get("precision", "float32") if encoder else None,
        "arrays": info.arrays,
        "rows": info.rows,
        "bytes": info.num_bytes,
        "bytes_per_row": round(info.num_bytes / max(1, info.rows)),
        "shards": info.shards,
        "finished": info.finished,
    }


def _info_text(store: dict[str, Any]) -> str:
    """A block of lines."""
    title = f"{store['path']}/{store['fingerprint']}"
    if "error" in store:
        return f"{title}\n  error     {store['error']}"
    blocks = f"{store['blocks_frozen']} blocks frozen" if store["blocks_frozen"] else "frozen whole"
    frozen = f", {blocks}, {store['precision']}" if store["precision"] else ""
    lines = {
        "encoder": f"{store['encoder']}{frozen}",
        "arrays": ", ".join(f"{name} {kind}" for name, kind in store["arrays"].items()),
        "rows": f"{store['rows']:,} in {count(store['shards'], 'shard')}",
        "size": f"{size(store['bytes'])}, {size(store['bytes_per_row'])} a row",
        "finished": "yes" if store["finished"] else "no: the extraction was stopped; run: dvc repro encode",
    }
    return "\n".join([title, *(f"  {name:<8}  {value}" for name, value in lines.items())])

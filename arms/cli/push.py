"""`arms push` and `arms pull`: routers and features to an object store, and features back."""

from pathlib import Path

import click

from arms.cli.base import count, echo, json_option, need_extra, print_json
from arms.cli.completers import DESCRIPTION
from arms.cli.features import store_folders, stores_there
from arms.data.storage.urls import below, is_url, tidy_url
from arms.errors import ArmsError

_STORE = ("obstore",)


def _url(ctx: click.Context, param: click.Parameter, value: str) -> str:
    if not is_url(value):
        raise click.BadParameter(f"expected a URL such as s3://bucket/features, got {value}")
    return tidy_url(value)


@click.command(short_help="Copy a router, or features, to an object store.")
@click.argument("place", type=click.Path(path_type=Path))
@click.argument("url", callback=_url)
@json_option
def push(place: Path, url: str, as_json: bool) -> None:
    """Copy a router, or features, to an object store.

    PLACE is a router's folder, a feature store (*.zarr) or a folder with stores below it. All is verified before. What
    is there already is not copied again, so what was stopped goes on where it was. A router is then used by its URL.

    \b
    Examples:
      arms push data/routers/arms s3://bucket/routers/arms
      arms push data/features s3://bucket/features
    """
    need_extra("arms push", "s3", _STORE)
    if (place / DESCRIPTION).is_file():
        from arms.routers.remote import push_router

        checksum = push_router(place, url)
        if as_json:
            print_json({"router": url, "sha256": checksum})
        else:
            echo(f"{url}: the router {checksum[:16]}; use it with: arms route --router {url}")
        return
    if not place.is_dir():
        raise ArmsError(f"{place}: expected a router's folder, or feature stores (*.zarr), got no such folder")
    need_extra("arms push", "pipeline")

    from arms.features.mirror import push_store
    from arms.features.remote import RemoteStore
    from arms.features.store import FeatureStore

    stores = [FeatureStore.at(folder) for folder in store_folders(place)]
    copied = 0
    for store in stores:
        inside = store.path.relative_to(place).as_posix()
        copied += push_store(store, RemoteStore(url if inside == "." else below(url, inside), store.folder.name))
    if as_json:
        print_json({"stores": len(stores), "shards": copied})
    else:
        echo(f"{url}: copied {count(copied, 'shard')} of {count(len(stores), 'store')}; the others were there")


@click.command(short_help="Copy features from an object store.")
@click.argument("url", callback=_url)
@click.argument("place", type=click.Path(path_type=Path, file_okay=False), default=Path("data/features"))
@click.option("--keys-only", is_flag=True, help="Leave the values there; they are fetched when they are read.")
@json_option
def pull(url: str, place: Path, keys_only: bool, as_json: bool) -> None:
    """Copy features from an object store, as arms push put them there.

    URL is a feature store (*.zarr) or what has stores below it; PLACE is what was pushed: data/features by default. All
    is verified. What is here already is not copied again, so what was stopped goes on where it was. An extraction that
    has not ended is copied too: dvc repro encode then goes on where it was.

    \b
    Examples:
      arms pull s3://bucket/features
      arms pull s3://bucket/features --keys-only
    """
    need_extra("arms pull", "s3", _STORE)
    need_extra("arms pull", "pipeline")

    from arms.features.mirror import pull_store
    from arms.features.store import FeatureStore

    remotes, copied = stores_there(url), 0
    for remote in remotes:
        inside = remote.parent.url.removeprefix(url).strip("/")
        attributes = remote.attributes()
        if attributes is not None:
            store = FeatureStore(place / inside if inside else place, attributes["fingerprint"])
            copied += pull_store(store, remote, values=not keys_only)
    if as_json:
        print_json({"stores": len(remotes), "shards": copied})
    else:
        echo(f"{place}: copied {count(copied, 'shard')} of {count(len(remotes), 'store')}; the others were here")

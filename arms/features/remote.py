"""Features in an object store: the same files as on disk, so what reads Zarr from there reads them.

An object store has no rename. So a shard's own zarr.json is written last, and decides whether the shard is there. The
list of shards comes after all of them. What is there is asked by key: a listing may lack the newest objects.
"""

import json
import re
import shutil
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from arms.data.disk import flush, naming_full_disk
from arms.data.storage.bucket import Bucket, in_parallel
from arms.data.storage.urls import below
from arms.errors import ArmsError
from arms.features.shards import FULL_REMEDY, digest_of, open_shard, written_digest
from arms.features.store import FeatureStore, fingerprint_id
from arms.features.values import CRC_BYTES, FILE, fetch_checked

LOCK = "writing.json"
_GROUP = "zarr.json"
_SHARD = re.compile(r"shard-(\d+)(?:/|$)")
_AGAIN = "push the features there again: arms push"


class RemoteStore:
    """The features of one encoder at a URL.

    Parameters
    ----------
    url : str
        Of the store, such as s3://bucket/features/sample/bundled/image.zarr.
    name : str
        The fingerprint's; see `fingerprint_id`.
    """

    def __init__(self, url: str, name: str) -> None:
        self.url, self.name = below(url, name), name
        self.parent, self.bucket = Bucket(url), Bucket(below(url, name))

    @classmethod
    def all_in(cls, url: str) -> "list[RemoteStore]":
        """The features of every encoder that are listed below a URL."""
        found = {}
        for key in Bucket(url).listed():
            above, _, store = f"/{key}".partition(".zarr/")[0].rpartition("/")
            inside = f"/{key}".partition(".zarr/")[2].split("/")
            if store and inside[1:] == [_GROUP]:
                place = "/".join([*filter(None, above.split("/")), f"{store}.zarr"])
                found[place, inside[0]] = cls(below(url, place), inside[0])
            elif url.endswith(".zarr") and key.split("/")[1:] == [_GROUP]:
                found["", key.split("/")[0]] = cls(url, key.split("/")[0])
        return [found[place] for place in sorted(found)]

    def attributes(self) -> dict[str, Any] | None:
        """The fingerprint, and if the features are complete the list of shards; None if nothing was ever written."""
        content = self.bucket.read_if_there(_GROUP, "a feature store's metadata")
        if content is None:
            return None
        try:
            attributes = json.loads(content)["attributes"]
            if fingerprint_id(attributes["fingerprint"]) != self.name:
                raise ValueError("its fingerprint does not match its place")
            return dict(attributes)
        except (ValueError, KeyError, TypeError) as error:
            raise ArmsError(
                f"{below(self.url, _GROUP)}: not a feature store's metadata: {error!r}; delete it, and {_AGAIN}"
            ) from error

    def shards(self) -> dict[str, str]:
        """The digests of the shards that are there whole, by name.

        The names are those that are listed, and those that may follow or fill a gap: they count up.
        """
        named = [*self.bucket.listed(), *(self.attributes() or {}).get("shards", {})]
        last = max((int(found[1]) for name in named if (found := _SHARD.match(name))), default=-1)
        digests = dict(self._digests([f"shard-{number:05d}" for number in range(last + 1)]))
        for number in count(last + 1):
            following = dict(self._digests([f"shard-{number:05d}"]))
            if not following:
                break
            digests |= following
        return digests

    def _digests(self, names: list[str]) -> Iterator[tuple[str, str]]:
        contents = in_parallel(lambda name: self.bucket.read_if_there(f"{name}/{_GROUP}", "a shard"), names)
        for name, content in zip(names, contents, strict=True):
            if content is not None:
                try:
                    yield name, str(json.loads(content)["attributes"]["digest"])
                except (ValueError, KeyError, TypeError) as error:
                    raise ArmsError(
                        f"{below(self.url, name, _GROUP)}: not a shard's metadata: {error!r}; delete it, and {_AGAIN}"
                    ) from error

    def begin(self, store: FeatureStore) -> None:
        """Write the metadata of groups that are not there yet."""
        content = json.loads((store.folder / _GROUP).read_text())
        content["attributes"] = {"fingerprint": store.fingerprint}
        if not self.parent.exists(_GROUP, "a Zarr group"):
            self.parent.write(_GROUP, (store.path / _GROUP).read_bytes())
        if not self.bucket.exists(_GROUP, "a Zarr group"):
            self.bucket.write(_GROUP, json.dumps(content, indent=2).encode())

    def upload(self, shard: Path) -> None:
        """Copy a shard there, its zarr.json last."""
        marker = shard / _GROUP
        files = [file for file in sorted(shard.rglob("*")) if file.is_file() and file != marker]
        in_parallel(lambda file: self.bucket.write(f"{shard.name}/{file.relative_to(shard).as_posix()}", file), files)
        self.bucket.write(f"{shard.name}/{_GROUP}", marker)

    def finish(self, store: FeatureStore) -> None:
        """Write the list of shards, with those that were listed there before."""
        content = json.loads((store.folder / _GROUP).read_text())
        before = (self.attributes() or {}).get("shards", {})
        content["attributes"]["shards"] = dict(sorted({**before, **store.attributes()["shards"]}.items()))
        self.bucket.write(_GROUP, json.dumps(content, indent=2).encode())

    def fetch(self, shard: str, digest: str, folder: Path, arrays: list[str], *, values: bool) -> None:
        """Copy a shard into `folder`; it appears under its name only when all of it is on disk, and verified.

        Parameters
        ----------
        arrays : list of str
            Names of the arrays, besides its keys and offsets.
        values : bool
            False: these arrays' values stay there; see `arms.features.values`.

        Raises
        ------
        ArmsError
            If something is missing there or is not what was written, the store denies or fails, or the disk is full.
        """
        draft = folder / f".{shard}"
        with naming_full_disk(folder, draft, remedy=FULL_REMEDY):
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir(parents=True)
            away = {}
            for name in ("keys", "offsets", *arrays):
                if (metadata := self._metadata(shard, name)) is not None:
                    stays = not values and name in arrays
                    if (of := self._array(shard, name, metadata, draft / name, stays=stays)) is not None:
                        away[name] = of
            (draft / _GROUP).write_bytes(self.bucket.read(f"{shard}/{_GROUP}", "a shard", _AGAIN))
            if away:
                (draft / FILE).write_text(json.dumps({"url": self.url, "arrays": away}, indent=2))
            chunks = open_shard(draft, arrays, None)
            if {digest_of(shard, chunks), written_digest(draft)} != {digest}:
                raise ArmsError(
                    f"{below(self.url, shard)}: its arrays are not those that were written together; delete it there, "
                    f"and {_AGAIN}"
                )
            for file in (*draft.rglob("*"), draft):
                flush(file)
            draft.rename(folder / shard)
            flush(folder)

    def _metadata(self, shard: str, name: str) -> bytes | None:
        key = f"{shard}/{name}/{_GROUP}"
        if name == "offsets":
            return self.bucket.read_if_there(key, "an array")
        return self.bucket.read(key, "an array of a shard", f"delete {below(self.url, shard)}, and {_AGAIN}")

    def _array(self, shard: str, name: str, metadata: bytes, folder: Path, *, stays: bool) -> dict[str, Any] | None:
        """Copy an array; if its values stay there, say what `Values` takes."""
        of = json.loads(metadata)
        key = "/".join([shard, name, "c", *("0" * len(of["shape"]))])
        folder.mkdir()
        (folder / _GROUP).write_bytes(metadata)
        num_bytes = int(np.prod(of["shape"])) * np.dtype(of["data_type"]).itemsize
        if not num_bytes:
            return None
        if stays:
            checksum, size = self.bucket.end_of(key, CRC_BYTES, "values of features")
            return {"key": key, "size": size, "checksum": checksum.hex()}
        file = folder.joinpath("c", *("0" * len(of["shape"])))
        file.parent.mkdir(parents=True)
        fetch_checked(self.bucket, key, file, num_bytes + CRC_BYTES, None)
        return None


def local_digest(shard: Path) -> str:
    """The digest that a shard on disk was written with."""
    digest = written_digest(shard)
    if digest is None:
        raise ArmsError(f"{shard} was written before shards had digests; run: dvc repro --force encode")
    return digest

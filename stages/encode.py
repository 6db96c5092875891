"""Encode each distinct image, each distinct text, or each distinct pair, up to the encoder's cut."""

import hashlib
import logging
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import click
import numpy as np
import zarr
from PIL import Image

from arms.data.disk import read_bytes
from arms.data.image_lists import num_images
from arms.data.pictures import open_picture, read_file
from arms.data.prepared import Prepared, read_prepared
from arms.data.storage.urls import is_bucket_url
from arms.device import choose_device
from arms.encoders.base import Encoder
from arms.encoders.batch import Batch
from arms.errors import ArmsError
from arms.features.extract import extract
from arms.features.inspection import damaged_shards
from arms.features.mirror import mirrored
from arms.features.reading import Reader
from arms.features.store import FeatureStore
from stages.encoders import image_encoder, joint_encoder, text_encoder
from stages.workspace import Stopwatch, Workspace, open_workspace, stage

_SERVER_SHARD_BYTES = 4 * 2**20
_PAIRS_AT_ONCE = 4  # held as the joint encoder takes them, which may be much; it reads one after the other

MODALITIES = ("image", "text", "pair")

logger = logging.getLogger("stages.encode")


@click.command()
@click.argument("modality", type=click.Choice(MODALITIES))
@click.option("--encoders", help="A file under conf/encoders/ other than the one that params.yaml names.")
def main(modality: str, encoders: str | None) -> None:
    """Write data/features/<data>/<encoders>/<modality>.zarr."""
    workspace = open_workspace([] if encoders is None else [f"encoders={encoders}"])
    encode(workspace, read_prepared(workspace.prepared), modality)


def encode(workspace: Workspace, prepared: Prepared, modality: str) -> int:
    """Bring the feature store of one modality up to date; return how many inputs were encoded."""
    watch = Stopwatch()
    runtime = workspace.params.runtime
    if modality == "pair" and workspace.encoders.pair is None:
        zarr.open_group(workspace.features(modality), mode="a", zarr_format=3)  # DVC warns of an output without files
        logger.info("conf/encoders/%s.yaml has no joint encoder: nothing to do", workspace.params.encoders)
        return 0
    encoder, keys, read = _SOURCES[modality](workspace, prepared)
    batch_size, shard_bytes = runtime.extract_batch_size, runtime.shard_mb * 2**20
    if modality == "text" and (server := workspace.encoders.server) is not None:
        # What it answered costs: little of it is to be lost to a kill.
        batch_size, shard_bytes = server.batch_size, min(shard_bytes, _SERVER_SHARD_BYTES)
    if modality == "pair":
        batch_size = min(batch_size, _PAIRS_AT_ONCE)
    store = FeatureStore(workspace.features(modality), encoder.fingerprint)
    with store.writing(), mirrored(store, workspace.features_url(modality)):
        if damaged := damaged_shards(store, elsewhere=False):  # what is stored already is used as it is
            raise ArmsError("\n".join(damaged))
        count = extract(
            store,
            keys,
            read,
            encoder,
            label=modality,
            batch_size=batch_size,
            shard_bytes=shard_bytes,
            # Texts are already tokenised, and a pair takes much longer to compute than to read; only images need
            # workers, which decode them.
            workers=runtime.num_workers if modality == "image" else 0,
            device=choose_device(runtime.device),
            compiled=runtime.compile and modality != "pair",  # its shapes differ from pair to pair
        )
        store.finish()
    logger.info(
        "encoded %s of %s distinct %ss in %.1f s; the others were stored already, and are sound",
        f"{count:,}", f"{len(keys):,}", modality, watch.elapsed_s,
    )  # fmt: skip
    return count


Source = tuple[Encoder, list[str], Reader]


def _images(workspace: Workspace, prepared: Prepared) -> Source:
    encoder = image_encoder(workspace)
    paths = prepared.images(encoder.max_images)
    _warn_of_many(prepared, encoder.max_images, "image")

    def read(key: str) -> np.ndarray:
        return _opened(workspace, paths[key], key, encoder.read)

    # In the order of their content keys, which are hashes: then each shard is a random sample of images, so training
    # shuffles well even if only a few shards fit in memory.
    return encoder, sorted(paths), read


def _opened(workspace: Workspace, name: str, key: str, open_image: Callable[[BytesIO], Any]) -> Any:
    """What `open_image` makes of an image of the dataset."""
    expected, remedy = "an image as prepare found it", "run: dvc repro prepare"
    path: str | Path = workspace.raw / name
    if is_bucket_url(name):
        path, remedy = name, "run: dvc repro --force prepare"  # DVC does not see what changes there
        content = read_file(name, sha256=key)
    else:
        content = read_bytes(workspace.raw / name, expected, remedy)
    # The key is the hash of the bytes that are decoded: a picture replaced since would be kept under the old key.
    if hashlib.sha256(content).hexdigest() != key:
        raise ArmsError(f"{path}: expected {expected}, got other bytes; {remedy}")
    try:
        return open_image(BytesIO(content))
    except ArmsError as error:
        raise ArmsError(f"{path}: expected {expected}, got {error}; {remedy}") from error


def _warn_of_many(prepared: Prepared, most: int, section: str) -> None:
    if more := int((num_images(prepared.queries["images"]) > most).sum()):
        logger.warning(
            "%s of %s queries have more than %d images; the first %d are read (%s.max_images in conf/encoders)",
            f"{more:,}", f"{len(prepared.queries):,}", most, most, section,
        )  # fmt: skip


def _pairs(workspace: Workspace, prepared: Prepared) -> Source:
    encoder = joint_encoder(workspace)
    assert encoder is not None
    _warn_of_many(prepared, encoder.max_images, "pair")
    found: dict[str, tuple[tuple[str, ...], tuple[str, ...], str]] = {}
    without = 0
    columns = (prepared.queries[name] for name in ("images_sha256", "question_sha256", "images", "question"))
    for image_keys, question_key, names, question in zip(*columns, strict=True):
        key = encoder.key(image_keys, question_key)
        if key is None:
            without += 1
        else:
            most = encoder.max_images
            found.setdefault(key, (tuple(image_keys[:most]), tuple(names[:most]), question))
    if without:
        logger.warning(
            "%s of %s queries have no image, which %s cannot do without: zeros stand for their pairs",
            f"{without:,}", f"{len(prepared.queries):,}", encoder.name,
        )  # fmt: skip

    def open_image(content: BytesIO) -> Image.Image:
        return encoder.fitted(open_picture(content))

    def read(key: str) -> Batch:
        image_keys, names, question = found[key]
        pictures = [_opened(workspace, *of, open_image) for of in zip(names, image_keys, strict=True)]
        try:
            return encoder.read(pictures, question)
        except ArmsError as error:
            raise ArmsError(f"{', '.join(names)} and {question!r:.80}: {error}") from error

    return encoder, sorted(found), read


def _texts(workspace: Workspace, prepared: Prepared) -> Source:
    encoder, texts = text_encoder(workspace, prepared), prepared.texts()
    token_ids = dict(zip(texts, encoder.tokenize(list(texts.values())), strict=True))
    # Texts of the same length go into one batch, so that hardly any padding is computed.
    return encoder, sorted(texts, key=lambda key: (len(token_ids[key]), key)), token_ids.__getitem__


_SOURCES: dict[str, Callable[[Workspace, Prepared], Source]] = {"image": _images, "text": _texts, "pair": _pairs}

if __name__ == "__main__":
    with stage("encode"):
        main(standalone_mode=False)

"""Encode each distinct image, or each distinct text, up to the encoder's cut."""

import hashlib
import logging
from collections.abc import Callable
from io import BytesIO

import click
import numpy as np

from arms.data.disk import read_bytes
from arms.data.image_lists import num_images
from arms.data.prepared import Prepared, read_prepared
from arms.device import choose_device
from arms.encoders.base import Encoder
from arms.errors import ArmsError
from arms.features.extract import extract
from arms.features.inspection import damaged_shards
from arms.features.store import FeatureStore
from stages.encoders import image_encoder, text_encoder
from stages.workspace import Stopwatch, Workspace, open_workspace, stage

_SERVER_SHARD_BYTES = 4 * 2**20

logger = logging.getLogger("stages.encode")


@click.command()
@click.argument("modality", type=click.Choice(["image", "text"]))
@click.option("--encoders", help="A pair under conf/encoders/ other than the one that params.yaml names.")
def main(modality: str, encoders: str | None) -> None:
    """Write data/features/<data>/<encoders>/<modality>.zarr."""
    workspace = open_workspace([] if encoders is None else [f"encoders={encoders}"])
    encode(workspace, read_prepared(workspace.prepared), modality)


def encode(workspace: Workspace, prepared: Prepared, modality: str) -> int:
    """Bring the feature store of one modality up to date; return how many inputs were encoded."""
    watch = Stopwatch()
    runtime = workspace.params.runtime
    encoder, keys, read = (_images if modality == "image" else _texts)(workspace, prepared)
    batch_size, shard_bytes = runtime.extract_batch_size, runtime.shard_mb * 2**20
    if modality == "text" and (server := workspace.encoders.server) is not None:
        # What it answered costs: little of it is to be lost to a kill.
        batch_size, shard_bytes = server.batch_size, min(shard_bytes, _SERVER_SHARD_BYTES)
    store = FeatureStore(workspace.features(modality), encoder.fingerprint)
    with store.writing():
        if damaged := damaged_shards(store):  # what is stored already is used as it is
            raise ArmsError("\n".join(damaged))
        count = extract(
            store,
            keys,
            read,
            encoder,
            label=modality,
            batch_size=batch_size,
            shard_bytes=shard_bytes,
            # Texts are already tokenised; only images need workers, which decode them.
            workers=runtime.num_workers if modality == "image" else 0,
            device=choose_device(runtime.device),
            compiled=runtime.compile,
        )
        store.finish()
    logger.info(
        "encoded %s of %s distinct %ss in %.1f s; the others were stored already, and are sound",
        f"{count:,}", f"{len(keys):,}", modality, watch.elapsed_s,
    )  # fmt: skip
    return count


Source = tuple[Encoder, list[str], Callable[[str], np.ndarray]]


def _images(workspace: Workspace, prepared: Prepared) -> Source:
    encoder = image_encoder(workspace)
    most = encoder.max_images
    paths = prepared.images(most)
    if more := int((num_images(prepared.queries["images"]) > most).sum()):
        logger.warning(
            "%s of %s queries have more than %d images; the first %d are read (image.max_images in conf/encoders)",
            f"{more:,}", f"{len(prepared.queries):,}", most, most,
        )  # fmt: skip

    def read(key: str) -> np.ndarray:
        path, expected, remedy = workspace.raw / paths[key], "an image as prepare found it", "run: dvc repro prepare"
        content = read_bytes(path, expected, remedy)
        # The key is the hash of the bytes that are decoded: a picture replaced since would be kept under the old key.
        if hashlib.sha256(content).hexdigest() != key:
            raise ArmsError(f"{path}: expected {expected}, got other bytes; {remedy}")
        try:
            return encoder.read(BytesIO(content))
        except ArmsError as error:
            raise ArmsError(f"{path}: expected {expected}, got {error}; {remedy}") from error

    # In the order of their content keys, which are hashes: then each shard is a random sample of images, so training
    # shuffles well even if only a few shards fit in memory.
    return encoder, sorted(paths), read


def _texts(workspace: Workspace, prepared: Prepared) -> Source:
    encoder, texts = text_encoder(workspace, prepared), prepared.texts()
    token_ids = dict(zip(texts, encoder.tokenize(list(texts.values())), strict=True))
    # Texts of the same length go into one batch, so that hardly any padding is computed.
    return encoder, sorted(texts, key=lambda key: (len(token_ids[key]), key)), token_ids.__getitem__


if __name__ == "__main__":
    with stage("encode"):
        main(standalone_mode=False)

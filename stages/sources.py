"""What the stage `encode` encodes: by modality the encoder, the content keys, and how an input is read."""

import hashlib
import logging
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from arms.data.disk import read_bytes
from arms.data.image_lists import num_images
from arms.data.pictures import open_picture, read_file
from arms.data.prepared import Prepared, read_prepared
from arms.data.storage.urls import is_bucket_url
from arms.encoders.base import Encoder
from arms.encoders.batch import Batch
from arms.errors import ArmsError
from arms.features.reading import Reader
from stages.encoders import image_encoder, joint_encoder, text_encoder
from stages.workspace import Workspace

logger = logging.getLogger("stages.encode")

Source = tuple[Encoder, list[str], Reader]


def open_source(workspace: Workspace, modality: str) -> Source:
    """The source of a modality as a process by itself makes it, from the settings and what `prepare` wrote."""
    return SOURCES[modality](workspace, read_prepared(workspace.prepared))


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


SOURCES: dict[str, Callable[[Workspace, Prepared], Source]] = {"image": _images, "text": _texts, "pair": _pairs}

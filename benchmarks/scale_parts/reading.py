"""The parts of `prepare` by themselves: the tables, the pictures, and the scenes."""

import hashlib
from collections.abc import Callable, Sequence

import numpy as np

from arms.data.image_lists import distinct_images
from arms.data.images import ImageCheck, folder_checker
from arms.data.prepare import prepare_dataset
from arms.data.tables import QUERIES, read_dataset, read_table
from arms.data.validation import Validated, validate
from benchmarks.scale_parts.dataset import RAW, SIDE, THUMBNAILS
from stages.workspace import open_workspace


def validating() -> Callable[[], object]:
    """The tables, row by row; the pictures count as checked."""
    return _validated


def reading_pictures() -> Callable[[], object]:
    """Reading, hashing and decoding every picture: what `prepare` does besides the tables."""
    names = distinct_images(read_table(RAW / QUERIES.file, QUERIES)["images"])
    workers = open_workspace().params.runtime.num_workers
    return lambda: folder_checker(RAW, decode=True, workers=workers, thumbnail_side=SIDE)(names)


def splitting() -> Callable[[], object]:
    """Hashing the questions, finding the scenes, and splitting by them."""
    data, validated = open_workspace().data, _validated()
    return lambda: prepare_dataset(validated, pools=data.pools, ood=data.ood, splits=data.splits)


def _validated() -> Validated:
    thumbnails = np.load(THUMBNAILS, mmap_mode="r")

    def check_all(names: Sequence[str]) -> dict[str, ImageCheck]:
        return {name: _unread(name, thumbnails) for name in names}

    return validate(read_dataset(RAW), checker=check_all)


def _unread(name: str, thumbnails: np.ndarray) -> ImageCheck:
    """Says of a picture that it is fine, without reading it."""
    number = int(name.rsplit("/", 1)[1].removesuffix(".png"))
    return ImageCheck(hashlib.sha256(name.encode()).hexdigest(), "PNG", thumbnails[number].tobytes())

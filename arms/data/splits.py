"""Train, validation and test splits by image, so that training never sees a test image."""

import hashlib
from collections.abc import Collection
from typing import Literal

import pandas as pd

from arms.data.tables import is_in
from arms.errors import ArmsError

SplitName = Literal["train", "val", "id", "ood"]
SPLITS: tuple[SplitName, ...] = ("train", "val", "id", "ood")
TEST_SPLITS: tuple[str, ...] = ("id", "ood")
SCORED_SPLITS: tuple[str, ...] = ("val", "id", "ood")  # what routers score, and are never fitted on
EXCLUDED = "excluded"


def assign_splits(
    queries: pd.DataFrame,
    *,
    val_share: float,
    id_share: float,
    seed: int,
    ood_benchmarks: Collection[str],
    ood_tasks: Collection[str],
) -> pd.Series:
    """Assign each query to a split.

    Queries of a held-out benchmark or task are 'ood'. Any other query on one of their images is 'excluded', as it
    would show the held-out image in training. The rest is split by image: an image's place depends only on the seed and
    its content, so data added later moves none of the old images (unless it holds one out).

    Parameters
    ----------
    queries : DataFrame
        Columns image_sha256, benchmark, task.
    val_share, id_share : float
        Expected shares of the images that are not held out; each in [0, 1), their sum below 1.
    seed : int
    ood_benchmarks, ood_tasks : collection of str
        Names held out.

    Returns
    -------
    Series of str, named split, with the index of `queries`
        'train', 'val', 'id', 'ood' or 'excluded'.

    Raises
    ------
    ArmsError
        If the shares are out of range, no query has a held-out name, or no training query is left.
    """
    _check_shares(val_share, id_share)
    _check_held_out(queries["benchmark"], ood_benchmarks, "benchmark")
    _check_held_out(queries["task"], ood_tasks, "task")
    images = queries["image_sha256"]
    uniform = images.map({image: image_uniform(image, seed) for image in images.unique()})
    held_out = is_in(queries["benchmark"], list(ood_benchmarks)) | is_in(queries["task"], list(ood_tasks))
    split = pd.Series("train", index=queries.index, name="split", dtype="str")
    split[uniform < id_share + val_share] = "val"
    split[uniform < id_share] = "id"
    split[is_in(images, images[held_out])] = EXCLUDED
    split[held_out] = "ood"
    if not (split == "train").any():
        raise ArmsError(
            f"splits: no query is left for training (of {len(queries)}: {split.value_counts().to_dict()}); "
            "hold out fewer benchmarks or tasks, or lower val_share and id_share"
        )
    return split


def image_uniform(image_sha256: str, seed: int) -> float:
    """An image's place in [0, 1), uniform over images, from its content and the seed."""
    digest = hashlib.sha256(f"{seed}:{image_sha256}".encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53  # 53 bits: exact as a float, never rounded up to 1


def _check_shares(val_share: float, id_share: float) -> None:
    """Raise an ArmsError unless both shares lie in [0, 1) and leave something for training."""
    for name, share in (("val_share", val_share), ("id_share", id_share)):
        if not 0 <= share < 1:
            raise ArmsError(f"splits.{name}: expected a share >= 0 and < 1, got {share}")
    if val_share + id_share >= 1:
        raise ArmsError(
            f"splits: expected val_share + id_share < 1, got {val_share} + {id_share}; the rest is for training"
        )


def _check_held_out(column: pd.Series, names: Collection[str], kind: str) -> None:
    """Raise an ArmsError if no query has a name that is to be held out."""
    known = column.dropna().unique().tolist()
    for name in names:
        if name not in known:
            raise ArmsError(
                f"ood: no query has the held-out {kind} {name!r}; known: {', '.join(sorted(known)) or 'none'}"
            )

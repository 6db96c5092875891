"""Train, validation and test splits by scene, so that training sees no test picture and no near-copy of one."""

import hashlib
from collections.abc import Collection
from typing import Literal

import pandas as pd

from arms.data.tables import is_in
from arms.errors import ArmsError
from arms.params.data import OodParams, SplitParams

SplitName = Literal["train", "val", "id", "ood"]
SPLITS: tuple[SplitName, ...] = ("train", "val", "id", "ood")
TEST_SPLITS: tuple[str, ...] = ("id", "ood")
SCORED_SPLITS: tuple[str, ...] = ("val", "id", "ood")  # what routers score, and are never fitted on
EXCLUDED = "excluded"
_ALSO = {"validation": "val", "dev": "val", "test": "id"}  # what published splits call val and id


def assign_splits(queries: pd.DataFrame, ood: OodParams, splits: SplitParams) -> pd.Series:
    """Assign each query to a split: by its scene, or as its dataset records it.

    By scene, queries of a held-out benchmark or task are 'ood'. Any other query of one of their scenes is 'excluded',
    as it would show the held-out picture in training. The rest is split by scene: a scene's place depends only on the
    seed and its name, so data added later moves no old scene (unless it joins two, or holds one out).

    As recorded, the column `split` decides. If it has no val, val is a share of train, by scene.

    Parameters
    ----------
    queries : DataFrame
        Columns scene, benchmark, task, and split where it is recorded.
    ood : OodParams
        What is held out; nothing where the split is recorded.
    splits : SplitParams
        val_share and id_share are expected shares of the scenes that are not held out; their sum is below 1.

    Returns
    -------
    Series of str, named split, with the index of `queries`
        'train', 'val', 'id', 'ood' or 'excluded'.

    Raises
    ------
    ArmsError
        If the shares leave nothing, no query has a held-out name, no training query is left, or a recorded split is
        missing or unknown.
    """
    _check_shares(splits)
    scenes = queries["scene"]
    uniform = scenes.map({scene: scene_uniform(scene, splits.seed) for scene in scenes.unique()})
    split = (
        _recorded(queries, ood, splits, uniform) if splits.by == "recorded" else _drawn(queries, ood, splits, uniform)
    )
    if not (split == "train").any():
        raise ArmsError(
            f"splits: no query is left for training (of {len(queries)}: {split.value_counts().to_dict()}); "
            "hold out fewer benchmarks or tasks, or lower val_share and id_share"
        )
    return split


def scene_uniform(scene: str, seed: int) -> float:
    """A scene's place in [0, 1), uniform over scenes, from its name and the seed."""
    digest = hashlib.sha256(f"{seed}:{scene}".encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53  # 53 bits: exact as a float, never rounded up to 1


def _drawn(queries: pd.DataFrame, ood: OodParams, splits: SplitParams, uniform: pd.Series) -> pd.Series:
    """The splits by scene, with what is held out."""
    _check_held_out(queries["benchmark"], ood.benchmarks, "benchmark")
    _check_held_out(queries["task"], ood.tasks, "task")
    held_out = is_in(queries["benchmark"], ood.benchmarks) | is_in(queries["task"], ood.tasks)
    split = pd.Series("train", index=queries.index, name="split", dtype="str")
    split[uniform < splits.id_share + splits.val_share] = "val"
    split[uniform < splits.id_share] = "id"
    split[is_in(queries["scene"], queries["scene"][held_out])] = EXCLUDED
    split[held_out] = "ood"
    return split


def _recorded(queries: pd.DataFrame, ood: OodParams, splits: SplitParams, uniform: pd.Series) -> pd.Series:
    """The splits of the column `split`, val cut from train if it has none."""
    if "split" not in queries:
        raise ArmsError(
            "splits.by: recorded: expected a column split in queries.parquet (train, val, id or ood), got none; "
            "add it, or choose scene"
        )
    if held := [*ood.benchmarks, *ood.tasks]:
        raise ArmsError(
            f"ood: expected no benchmark and no task, as splits.by is recorded and the column split names the ood "
            f"queries, got {', '.join(held)}; empty both lists, or choose scene"
        )
    split = queries["split"].replace(_ALSO)
    unknown = split[~is_in(split, SPLITS)]
    if len(unknown):
        names = ", ".join(repr(name) if isinstance(name, str) else "none" for name in unknown.unique()[:5])
        raise ArmsError(
            f"queries.parquet, column 'split': expected {', '.join(SPLITS)} (or {', '.join(_ALSO)}), got {names} "
            f"({len(unknown)} queries, first {queries['query_id'][unknown.index[0]]!r}); correct or remove them"
        )
    if not (split == "val").any():
        split[(split == "train") & (uniform < splits.val_share)] = "val"
    return split


def _check_shares(splits: SplitParams) -> None:
    """Raise an ArmsError unless the shares leave something for training."""
    if splits.val_share + splits.id_share >= 1:
        raise ArmsError(
            f"splits: expected val_share + id_share < 1, got {splits.val_share} + {splits.id_share}; the rest is for "
            "training"
        )


def _check_held_out(column: pd.Series, names: Collection[str], kind: str) -> None:
    """Raise an ArmsError if no query has a name that is to be held out."""
    known = column.dropna().unique().tolist()
    for name in names:
        if name not in known:
            raise ArmsError(
                f"ood: no query has the held-out {kind} {name!r}; known: {', '.join(sorted(known)) or 'none'}"
            )

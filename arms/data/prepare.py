"""Prepare a dataset: choose its pools, find its scenes, and assign the splits."""

from collections.abc import Sequence

import pandas as pd

from arms.data.image_lists import distinct_images
from arms.data.prepared import Prepared, text_sha256
from arms.data.scenes import find_scenes, near_copies, nearest_similarity
from arms.data.splits import EXCLUDED, TEST_SPLITS, assign_splits
from arms.data.tables import is_in
from arms.data.validation import Validated
from arms.errors import ArmsError
from arms.params.data import OodParams, PoolParams, SplitParams

_REPORTED = (0.9, 0.95, 0.98)  # correlations from which on pictures are counted as near-copies, beside the setting


def prepare_dataset(validated: Validated, *, pools: PoolParams, ood: OodParams, splits: SplitParams) -> Prepared:
    """Choose the pools, hash the questions, find the scenes and assign the splits.

    VLMs in neither pool are left out with their outcomes, and so are queries that then have no outcome.

    Parameters
    ----------
    validated : Validated
        With thumbnails of side `splits.thumbnail_side`.
    pools : PoolParams
        VLM names in pool order, without overlap.
    ood : OodParams
    splits : SplitParams
        See `splits.assign_splits`.

    Returns
    -------
    Prepared

    Raises
    ------
    ArmsError
        If a pool names an unknown VLM or one twice, or the splits cannot be made.
    """
    profiles = {vlm.name: vlm for vlm in validated.dataset.vlms}
    _check_pools(pools.base, pools.new, list(profiles))
    pool = (*pools.base, *pools.new)
    dataset, thumbnails = validated.dataset, validated.thumbnails
    outcomes = dataset.outcomes
    in_pool = is_in(outcomes["vlm"], pool)
    known = is_in(dataset.queries["query_id"], outcomes["query_id"][in_pool])
    queries = _hashed(dataset.queries[known], validated.image_sha256)
    queries["scene"] = find_scenes(queries, None if splits.by == "image" else _copies(queries, thumbnails, splits))
    queries["split"] = assign_splits(queries, ood, splits)
    kept = queries[queries["split"] != EXCLUDED].reset_index(drop=True)
    return Prepared(
        queries=kept,
        outcomes=outcomes[in_pool & is_in(outcomes["query_id"], kept["query_id"])].reset_index(drop=True),
        vlms=tuple(profiles[name] for name in pool),
        base=tuple(pools.base),
        new=tuple(pools.new),
        probabilities=_of_kept(dataset.probabilities, pool, kept),
        num_excluded=len(queries) - len(kept),
        num_unknown=int((~known).sum()),
        near_copies=_near_copy_rates(kept, thumbnails, splits.similarity),
    )


def _hashed(queries: pd.DataFrame, image_sha256: dict[str, str]) -> pd.DataFrame:
    """The queries with the hashes of their images and questions."""
    keys = queries["images"].map(lambda paths: tuple(image_sha256[path] for path in paths))
    questions = {question: text_sha256(question) for question in queries["question"].unique()}
    return queries.assign(
        images_sha256=keys.astype(object),
        question_sha256=queries["question"].map(questions).astype("str"),
    )


def _copies(queries: pd.DataFrame, thumbnails: dict[str, bytes], splits: SplitParams) -> dict[str, int]:
    """For each image a code that near-copies share."""
    keys = sorted(distinct_images(queries["images_sha256"]))
    labels = near_copies([thumbnails[key] for key in keys], splits.similarity)
    return dict(zip(keys, labels.tolist(), strict=True))


def _near_copy_rates(
    queries: pd.DataFrame, thumbnails: dict[str, bytes], similarity: float
) -> dict[str, dict[str, float]]:
    """For id and ood, the share of the pictures that have a near-copy in train, by what counts as one."""
    images = {split: sorted(distinct_images(part)) for split, part in queries.groupby("split")["images_sha256"]}
    train = [thumbnails[key] for key in images["train"]]
    rates = {}
    for split in TEST_SPLITS:
        if images.get(split):
            nearest = nearest_similarity([thumbnails[key] for key in images[split]], train)
            rates[split] = {str(at): round(float((nearest >= at).mean()), 4) for at in sorted({*_REPORTED, similarity})}
    return rates


def _of_kept(probabilities: pd.DataFrame | None, pool: Sequence[str], kept: pd.DataFrame) -> pd.DataFrame | None:
    """The simulator's chances for the VLMs of the pool on the queries kept."""
    if probabilities is None:
        return None
    wanted = is_in(probabilities["vlm"], pool) & is_in(probabilities["query_id"], kept["query_id"])
    return probabilities[wanted].reset_index(drop=True)


def _check_pools(base: Sequence[str], new: Sequence[str], known: list[str]) -> None:
    """Raise an ArmsError unless the pools name known VLMs, each once."""
    for key, names in (("base", base), ("new", new)):
        unknown = [name for name in names if name not in known]
        if unknown:
            raise ArmsError(f"pools.{key}: unknown VLM {', '.join(map(repr, unknown))}; known: {', '.join(known)}")
    pool = [*base, *new]
    repeated = sorted({name for name in pool if pool.count(name) > 1})
    if repeated:
        raise ArmsError(
            f"pools: expected each VLM once, in base or in new, got {', '.join(map(repr, repeated))} several times; "
            f"known: {', '.join(known)}"
        )

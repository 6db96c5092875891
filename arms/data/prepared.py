"""The prepared dataset: clean queries with their splits and hashes, outcomes, and the two pools."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from arms.data.atomic import atomic_folder
from arms.data.disk import read_json
from arms.data.image_lists import distinct_images, each_image
from arms.data.profiles import VlmProfile, profile_sentence, read_vlms, write_vlms
from arms.data.sealed import check_folder, seal_folder
from arms.data.splits import SPLITS
from arms.data.tables import (
    OUTCOMES,
    PROBABILITIES,
    QUERIES,
    VLMS_FILE,
    TableFormat,
    places_in,
    read_table,
    write_table,
)
from arms.errors import ArmsError

PREPARED_QUERIES = TableFormat(
    QUERIES.file,
    {**QUERIES.required, "images_sha256": "texts", "question_sha256": "text", "scene": "text", "split": "text"},
    {"group": "text"},
    older={**QUERIES.older, "images_sha256": "image_sha256"},
)
_POOLS_FILE = "pools.json"
_REPORT_FILE = "report.json"


@dataclass(frozen=True, eq=False)
class Prepared:
    """Queries ready for training and evaluation, with the outcomes of the VLMs in the pools.

    Attributes
    ----------
    queries : DataFrame
        The columns of `QUERIES` and images_sha256, question_sha256 (of the UTF-8 text), scene (see
        `scenes.find_scenes`), split.
    outcomes : DataFrame
        The columns of `OUTCOMES` for these queries and the VLMs of both pools.
    vlms : tuple of VlmProfile
        The base pool, then the new VLMs.
    base, new : tuple of str
        VLM names in pool order; `new` may be empty.
    probabilities : DataFrame or None
        Simulated datasets: the true chance of being right.
    num_excluded : int
        Queries left out because they are of one scene with a held-out query.
    num_unknown : int
        Queries left out because no VLM of either pool has an outcome for them.
    near_copies : dict of str to dict of str to float
        For id and ood: the share of their pictures that have a near-copy in train, by the correlation from which on
        two pictures count as near-copies; empty where no pictures were compared.
    """

    queries: pd.DataFrame
    outcomes: pd.DataFrame
    vlms: tuple[VlmProfile, ...]
    base: tuple[str, ...]
    new: tuple[str, ...]
    probabilities: pd.DataFrame | None = None
    num_excluded: int = 0
    num_unknown: int = 0
    near_copies: dict[str, dict[str, float]] = field(default_factory=dict)

    @property
    def extended(self) -> tuple[str, ...]:
        """The VLM names of the extended pool, S': base, then new."""
        return self.base + self.new

    def split(self, name: str) -> pd.DataFrame:
        """The queries of one split ('train', 'val', 'id' or 'ood') in the order of the dataset, numbered from 0."""
        if name not in SPLITS:
            raise ArmsError(f"expected a split, one of {', '.join(SPLITS)}, got {name!r}")
        return self.queries[self.queries["split"] == name].reset_index(drop=True)

    def outcome_matrix(self, query_ids: Iterable[str], vlms: Iterable[str]) -> np.ndarray:
        """Who was right: float32 array of shape (N, S); 1 right, 0 wrong, NaN unknown.

        Parameters
        ----------
        query_ids : iterable of str, N of them
            May repeat, as in a bootstrap sample.
        vlms : iterable of str, S of them

        Raises
        ------
        ArmsError
            If a query or VLM is not among these queries and pools.
        """
        return self._spread(self.outcomes, self._outcome_codes, "correct", query_ids, vlms)

    def cost_matrix(self, query_ids: Iterable[str], vlms: Iterable[str]) -> np.ndarray:
        """What each answer cost in USD: float32 array of shape (N, S), NaN where unknown; see `outcome_matrix`."""
        return self._spread(self.outcomes, self._outcome_codes, "cost_usd", query_ids, vlms)

    def latency_matrix(self, query_ids: Iterable[str], vlms: Iterable[str]) -> np.ndarray:
        """How many seconds each answer took: float32 array of shape (N, S), NaN where unknown; see `outcome_matrix`."""
        return self._spread(self.outcomes, self._outcome_codes, "latency_s", query_ids, vlms)

    def probability_matrix(self, query_ids: Iterable[str], vlms: Iterable[str]) -> np.ndarray | None:
        """The true chance of being right: float32 array of shape (N, S), or None if the dataset is not simulated."""
        if self.probabilities is None:
            return None
        codes = self._codes(self.probabilities)
        return self._spread(self.probabilities, codes, "probability", query_ids, vlms)

    @property
    def recorded_outputs(self) -> set[str]:
        """Every distinct answer of a VLM; empty if the dataset records none."""
        return set(self.outcomes["output"].dropna()) if "output" in self.outcomes else set()

    def outputs(self, query_ids: Sequence[str], vlms: Sequence[str]) -> tuple[list[list[str | None]], list[str | None]]:
        """What S VLMs answered to N queries, a list of S each, and the right answers; None where not recorded."""
        texts: dict[tuple[str, str], str] = {}
        if "output" in self.outcomes:
            recorded = self.outcomes[["query_id", "vlm", "output"]].dropna()
            pairs = zip(recorded["query_id"], recorded["vlm"], strict=True)
            texts = dict(zip(pairs, recorded["output"], strict=True))
        answers = self.queries[["query_id", "answer"]].dropna()
        truth = dict(zip(answers["query_id"], answers["answer"], strict=True))
        return [[texts.get((query, vlm)) for vlm in vlms] for query in query_ids], [truth.get(q) for q in query_ids]

    def scene_groups(self, query_ids: Iterable[str]) -> np.ndarray:
        """A code per query, equal where queries are of one scene: int64 array of shape (N,), from 0 without gaps."""
        codes, distinct = _factorize(query_ids)
        rows = _positions(self._query_index, distinct, "query", show_known=False)
        scenes = self.queries["scene"].to_numpy()[rows]
        return pd.factorize(scenes)[0].astype(np.int64)[codes]

    def texts(self) -> dict[str, str]:
        """Every distinct text a router may read, by the SHA-256 of its UTF-8: questions, then profile sentences."""
        distinct = self.queries.drop_duplicates("question_sha256")
        texts = dict(zip(distinct["question_sha256"], distinct["question"], strict=True))
        for vlm in self.vlms:
            for sentence in (profile_sentence(vlm, "full"), profile_sentence(vlm, "name")):
                texts.setdefault(text_sha256(sentence), sentence)
        return texts

    def images(self, max_images: int) -> dict[str, str]:
        """Every distinct image by the SHA-256 of its bytes: a path in the dataset's folder that holds it.

        Parameters
        ----------
        max_images : int
            Of each query the first ones count.
        """
        lists = (self.queries[column].map(lambda of: of[:max_images]) for column in ("images_sha256", "images"))
        keys, paths = map(each_image, lists)
        first = (~keys.duplicated()).to_numpy()
        return dict(zip(keys[first], paths[first], strict=True))

    @cached_property
    def _query_index(self) -> pd.Index:
        return pd.Index(self.queries["query_id"])

    @cached_property
    def _outcome_codes(self) -> tuple[np.ndarray, np.ndarray]:
        """Looked up once: twelve million names take seconds, and every matrix needs them."""
        return self._codes(self.outcomes)

    def _codes(self, table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """Of each row of a (query_id, vlm) table, the positions in `queries` and in the extended pool; -1 if neither.

        int32 arrays.
        """
        return places_in(table["query_id"], self.queries["query_id"]), places_in(table["vlm"], self.extended)

    def _spread(
        self,
        table: pd.DataFrame,
        codes: tuple[np.ndarray, np.ndarray],
        value: str,
        query_ids: Iterable[str],
        vlms: Iterable[str],
    ) -> np.ndarray:
        """Spread one column of a (query_id, vlm) table, whose rows have these codes, over queries and VLMs."""
        given, distinct = _factorize(query_ids)
        queries = _positions(self._query_index, distinct, "query", show_known=False)
        pool = _positions(pd.Index(self.extended), pd.Index(list(vlms), dtype="str"), "VLM", show_known=True)
        matrix = np.full((len(distinct), len(pool)), np.nan, dtype=np.float32)
        if value in table:
            # One place more, for -1, which is in no query and no VLM.
            row_of, column_of = np.full(len(self.queries) + 1, -1), np.full(len(self.extended) + 1, -1)
            row_of[queries], column_of[pool] = np.arange(len(queries)), np.arange(len(pool))
            rows, columns = row_of[codes[0]], column_of[codes[1]]
            wanted = (rows >= 0) & (columns >= 0)
            matrix[rows[wanted], columns[wanted]] = table[value].to_numpy()[wanted]
        return matrix[given]


def write_prepared(
    prepared: Prepared,
    report: dict[str, Any],
    set_aside_queries: pd.DataFrame,
    set_aside_outcomes: pd.DataFrame,
    folder: str | Path,
) -> None:
    """Write a prepared dataset as a folder, whole or not at all; the same content gives the same bytes.

    Parameters
    ----------
    prepared : Prepared
    report : dict
        The validation report (`Report.to_dict`); report.json adds a part `prepared` with the sizes of the splits.
    set_aside_queries, set_aside_outcomes : DataFrame
        From `Validated`; written to set_aside/.
    folder : str or Path
        Replaced if there.
    """
    with atomic_folder(folder) as temporary:
        write_table(prepared.queries, temporary / PREPARED_QUERIES.file)
        write_table(prepared.outcomes, temporary / OUTCOMES.file)
        if prepared.probabilities is not None:
            write_table(prepared.probabilities, temporary / PROBABILITIES.file)
        write_vlms(prepared.vlms, temporary / VLMS_FILE)
        write_json({"base": prepared.base, "new": prepared.new}, temporary / _POOLS_FILE)
        write_json({**report, "prepared": split_sizes(prepared)}, temporary / _REPORT_FILE)
        write_table(set_aside_queries, temporary / "set_aside" / QUERIES.file)
        write_table(set_aside_outcomes, temporary / "set_aside" / OUTCOMES.file)
        seal_folder(temporary)


def read_prepared(folder: str | Path) -> Prepared:
    """Read what `write_prepared` wrote.

    Raises
    ------
    ArmsError
        If the folder, a file or a column is missing or of the wrong type, a file is damaged, was added or changed, or
        the pools and profiles disagree.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ArmsError(f"{folder}: expected a prepared dataset, got no such folder; run: dvc repro prepare")
    check_folder(folder, "a prepared dataset", "run: dvc repro prepare")
    pools = _read_json(folder / _POOLS_FILE, ("base", "new"))
    sizes = _read_json(folder / _REPORT_FILE, ("prepared",))["prepared"]
    vlms = read_vlms(folder / VLMS_FILE)
    if [vlm.name for vlm in vlms] != [*pools["base"], *pools["new"]]:
        raise ArmsError(
            f"{folder}: expected {VLMS_FILE} to hold the pools of {_POOLS_FILE} in their order, got "
            f"{', '.join(vlm.name for vlm in vlms)}; run: dvc repro prepare"
        )
    simulated = (folder / PROBABILITIES.file).exists()
    return Prepared(
        queries=read_table(folder / PREPARED_QUERIES.file, PREPARED_QUERIES),
        outcomes=read_table(folder / OUTCOMES.file, OUTCOMES),
        vlms=vlms,
        base=tuple(pools["base"]),
        new=tuple(pools["new"]),
        probabilities=read_table(folder / PROBABILITIES.file, PROBABILITIES) if simulated else None,
        num_excluded=sizes["excluded_queries"],
        num_unknown=sizes["queries_without_outcome_in_pools"],
        near_copies=sizes["near_copies"],
    )


def split_sizes(prepared: Prepared) -> dict[str, Any]:
    """The part of report.json about pools and splits: queries, pictures and scenes, and the near-copies in train."""
    splits = {name: prepared.split(name) for name in SPLITS}
    return {
        "base": prepared.base,
        "new": prepared.new,
        "splits": {
            name: {
                "queries": len(part),
                "distinct_images": len(distinct_images(part["images_sha256"])),
                "scenes": int(part["scene"].nunique()),
            }
            for name, part in splits.items()
        },
        "largest_scene_queries": int(prepared.queries["scene"].value_counts().max()),
        "near_copies": prepared.near_copies,
        "excluded_queries": prepared.num_excluded,
        "queries_without_outcome_in_pools": prepared.num_unknown,
    }


def text_sha256(text: str) -> str:
    """The hex SHA-256 of a text's UTF-8 bytes: the key under which its features are kept."""
    return hashlib.sha256(text.encode()).hexdigest()


def write_json(content: Any, path: Path) -> None:
    """Write JSON to read and to compare: indented, in the order given, UTF-8."""
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def _factorize(query_ids: Iterable[str]) -> tuple[np.ndarray, pd.Index]:
    """Positions among the distinct ids, and these ids in order of appearance."""
    codes, distinct = pd.factorize(pd.Index(list(query_ids), dtype="str"))
    return codes, distinct


def _positions(index: pd.Index, wanted: pd.Index, kind: str, *, show_known: bool) -> np.ndarray:
    """The position of each wanted name in `index`; an ArmsError if one is missing."""
    positions = index.get_indexer(wanted)
    if (positions < 0).any():
        missing = wanted[positions < 0]
        known = f"; known: {', '.join(index)}" if show_known else "; these are not among the prepared queries"
        raise ArmsError(f"unknown {kind} {', '.join(map(repr, missing[:5]))} ({len(missing)} in all){known}")
    return positions


def _read_json(path: Path, keys: Sequence[str]) -> dict[str, Any]:
    """A JSON object with the given keys."""
    content: dict[str, Any] = read_json(path, "a part of a prepared dataset", "run: dvc repro prepare")
    for key in keys:
        if key not in content:
            raise ArmsError(f"{path}: key {key!r} is missing; run: dvc repro prepare")
    return content

"""Check a dataset row by row and image by image: usable rows are kept, all others set aside with the reason."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from arms.data.image_lists import distinct_images, each_image, num_images
from arms.data.images import IMAGE_ADVICE, ImageCheck, ImageChecker, folder_checker
from arms.data.tables import SHARES, OutcomeTables, conform_dataset, is_in, parse_verdicts
from arms.data.validation_report import Finding, Report
from arms.errors import ArmsError

_EXAMPLES = 5  # rows shown per finding


@dataclass(frozen=True, eq=False)
class Validated:
    """A dataset whose every row can be used, and what was set aside.

    Attributes
    ----------
    dataset : OutcomeTables
        The clean rows in their order; `correct` as bool.
    report : Report
    set_aside_queries, set_aside_outcomes : DataFrame
        All other rows, with a column `reason`.
    image_sha256 : dict of str to str
        For each image path of the clean queries, the hex digest of the file's bytes.
    thumbnails : dict of str to bytes
        For each of these digests a thumbnail; empty unless they were asked for.
    """

    dataset: OutcomeTables
    report: Report
    set_aside_queries: pd.DataFrame
    set_aside_outcomes: pd.DataFrame
    image_sha256: dict[str, str]
    thumbnails: dict[str, bytes]


def validate(
    dataset: OutcomeTables,
    *,
    strict: bool = False,
    workers: int = 4,
    decode: bool = True,
    thumbnail_side: int = 0,
    checker: ImageChecker | None = None,
    image_advice: Mapping[str, str] = MappingProxyType(IMAGE_ADVICE),
    source_findings: tuple[Finding, ...] = (),
) -> Validated:
    """Check every row of a dataset and every image that its queries use.

    The first of several identical rows is kept; rows that share a key but disagree are all set aside, as nobody knows
    which is right. An outcome is set aside with its query. A question may be empty, as a picture can be all that is
    sent, and a query may have no picture; how many there are of each is noted.

    Parameters
    ----------
    dataset : OutcomeTables
    strict : bool
        Raise if any row is set aside.
    workers : int, at least 1
        Threads that check images.
    decode : bool
        Decode every image; otherwise only read their headers.
    thumbnail_side : int
        Above 0: bring a thumbnail of that side of every image, for `scenes.near_copies`.
    checker : callable, optional
        Checks the images by what the queries call them; by default these are paths in the dataset's folder.
    image_advice : mapping of str to str
        What to do about each problem of an image.
    source_findings : tuple of Finding
        Findings in the log that the dataset comes from; they open the report, and `strict` counts them.

    Returns
    -------
    Validated

    Raises
    ------
    ArmsError
        If a column is missing or of the wrong type, or, with `strict`, if any row is set aside (the text is the
        report).
    """
    dataset = conform_dataset(dataset)
    queries = _Sieve("queries", dataset.queries)
    _check_query_rows(queries)
    paths = distinct_images(queries.kept("images"))
    check = checker or folder_checker(dataset.folder, decode=decode, workers=workers, thumbnail_side=thumbnail_side)
    checks = check(paths)
    _set_aside_images(queries, checks, image_advice)

    outcomes = _Sieve("outcomes", dataset.outcomes)
    names = [vlm.name for vlm in dataset.vlms]
    _check_outcome_rows(outcomes, queries, names)
    unanswered = ~is_in(queries.frame["query_id"], outcomes.kept("query_id"))
    queries.set_aside(unanswered, "query without outcome", "record an outcome for it, or remove it")

    clean = _clean_dataset(dataset, queries.all_kept(), outcomes.all_kept())
    image_sha256 = {path: checks[path].sha256 for path in distinct_images(clean.queries["images"])}
    thumbnails = {check.sha256: check.thumbnail for check in checks.values() if check.thumbnail}
    per_vlm = clean.outcomes["vlm"].value_counts()
    outcomes_per_vlm = {name: int(per_vlm.get(name, 0)) for name in names}
    silent = tuple({"name": name} for name, count in outcomes_per_vlm.items() if count == 0)
    advice = "nothing to do if it is meant; it can be chosen only from its profile"
    note = Finding("profile without outcome", "vlms", len(silent), silent[:_EXAMPLES], advice, set_aside=False)
    halves = _note_halves(clean.queries)
    report = Report(
        queries_kept=len(clean.queries),
        queries_set_aside=len(queries.frame) - len(clean.queries),
        outcomes_kept=len(clean.outcomes),
        outcomes_set_aside=len(outcomes.frame) - len(clean.outcomes),
        distinct_images=len(set(image_sha256.values())),
        outcomes_per_vlm=outcomes_per_vlm,
        findings=(*source_findings, *queries.findings, *halves, *outcomes.findings, *([note] if silent else [])),
    )
    if strict and any(finding.set_aside for finding in report.findings):
        raise ArmsError(
            f"{dataset.folder}: expected every row to be usable (strict), but some are not; "
            f"correct them, or turn strict off to set them aside\n{report.text()}"
        )
    return Validated(clean, report, queries.rejected(), outcomes.rejected(), image_sha256, thumbnails)


class _Sieve:
    """A table whose rows are set aside check by check; each row keeps the reason of the first check it failed."""

    def __init__(self, table: str, frame: pd.DataFrame) -> None:
        self.table = table
        self.frame = frame
        self.reason = np.full(len(frame), None, dtype=object)
        self.is_kept = np.ones(len(frame), dtype=bool)
        self.findings: list[Finding] = []

    def set_aside(self, mask: np.ndarray, kind: str, advice: str, reasons: Iterable[str] | None = None) -> None:
        """Set aside the masked rows that are still kept, for `kind` or, row by row, for the fuller `reasons`."""
        mask = mask & self.is_kept
        if not mask.any():
            return
        self.reason[mask] = kind if reasons is None else np.asarray(reasons, dtype=object)[mask]
        self.is_kept &= ~mask
        first = self.frame[mask].head(_EXAMPLES).assign(reason=self.reason[mask][:_EXAMPLES])
        rows = tuple({str(key): _plain(value) for key, value in row.items()} for row in first.to_dict("records"))
        self.findings.append(Finding(kind, self.table, int(mask.sum()), rows, advice))

    def set_aside_duplicates(self, key: list[str]) -> None:
        """Among the kept rows of one key, keep the first if all are identical, none if they disagree."""
        rows = np.flatnonzero(self.is_kept)
        keys = self.frame[key] if self.is_kept.all() else self.frame[key].iloc[rows]
        shared = self.frame.iloc[rows[keys.duplicated(keep=False).to_numpy()]]
        if shared.empty:
            return
        distinct = shared.drop_duplicates()
        disagreeing = distinct[distinct.duplicated(key, keep=False)]
        conflict = pd.MultiIndex.from_frame(shared[key]).isin(pd.MultiIndex.from_frame(disagreeing[key]))
        repeat = shared.duplicated(keep="first").to_numpy() & ~conflict
        name = " and ".join(key)
        self.set_aside(
            self._mask(shared.index[conflict]), f"conflicting rows for one {name}", "keep the row that is right"
        )
        self.set_aside(self._mask(shared.index[repeat]), f"repeated row for one {name}", "nothing: the first is kept")

    def all_kept(self) -> pd.DataFrame:
        """The rows not set aside; the whole table, and no copy of it, if none is."""
        return self.frame if self.is_kept.all() else self.frame[self.is_kept]

    def kept(self, column: str) -> pd.Series:
        """One column of the rows not set aside."""
        return self.frame[column] if self.is_kept.all() else self.frame[column][self.is_kept]

    def rejected(self) -> pd.DataFrame:
        """The rows set aside, with their reasons."""
        rows = self.frame[~self.is_kept].reset_index(drop=True)
        for column in rows:
            # Values of several types, which no file could hold.
            if pd.api.types.is_object_dtype(rows[column].dtype) and column != "images":
                rows[column] = rows[column].map(str, na_action="ignore")
        return rows.assign(reason=pd.Series(self.reason[~self.is_kept], dtype="str"))

    def _mask(self, index: pd.Index) -> np.ndarray:
        mask = np.zeros(len(self.frame), dtype=bool)
        mask[index] = True
        return mask


def _check_query_rows(queries: _Sieve) -> None:
    """Set aside queries that lack an id or a description, that ask nothing, and duplicates."""
    queries.set_aside(_blank(queries.frame["query_id"]), "no query_id", "give the query its own id")
    queries.set_aside_duplicates(["query_id"])
    for column in ("benchmark", "task", "language"):
        queries.set_aside(_blank(queries.frame[column]), f"no {column}", f"fill in the {column} column")
    images = queries.frame["images"]
    paths = each_image(images)
    nameless = images.isna() | images.index.isin(paths.index[_blank(paths)])
    queries.set_aside(
        nameless.to_numpy(), "image unknown", "fill in the images column; an empty list where no image was sent"
    )
    nothing = _blank(queries.frame["question"]) & (num_images(images) == 0).to_numpy()
    queries.set_aside(nothing, "neither question nor image", "fill in one of both, or remove the query")


def _set_aside_images(queries: _Sieve, checks: dict[str, ImageCheck], known: Mapping[str, str]) -> None:
    """Set aside queries with an image that cannot be used; the reason says what happened to the first such."""
    problems = {path: check.problem for path, check in checks.items() if check.problem}
    if not problems:
        return
    paths = each_image(queries.frame["images"])
    paths = paths[is_in(paths, list(problems))]
    first = paths[~paths.index.duplicated()].reindex(queries.frame.index)
    problem_of_row = first.map(problems)
    reasons = problem_of_row + ": " + first.map({path: checks[path].detail for path in problems})
    others = dict.fromkeys(sorted({*problems.values()} - {*known}), "replace the image, or remove its queries")
    for kind, advice in {**known, **others}.items():
        queries.set_aside((problem_of_row == kind).to_numpy(dtype=bool), kind, advice, reasons)


def _check_outcome_rows(outcomes: _Sieve, queries: _Sieve, vlms: list[str]) -> None:
    """Set aside outcomes that belong to no usable query or known VLM, duplicates, and rows without a usable value."""
    frame, query_ids = outcomes.frame, outcomes.frame["query_id"]
    lost = queries.frame[~queries.is_kept].assign(reason=queries.reason[~queries.is_kept])
    lost = lost[~is_in(lost["query_id"], queries.kept("query_id"))].drop_duplicates("query_id")
    with_lost = is_in(query_ids, lost["query_id"]) & ~_blank(query_ids)
    reasons = np.full(len(frame), None, dtype=object)
    reasons[with_lost] = "query set aside: " + query_ids[with_lost].map(lost.set_index("query_id")["reason"])
    outcomes.set_aside(with_lost, "query set aside", "correct the query, see above", reasons)

    unknown = ~is_in(query_ids, queries.kept("query_id"))
    outcomes.set_aside(unknown, "outcome without query", "add the query to queries.parquet, or remove the outcome")
    advice = f"add its profile to vlms.yaml, or correct the name; known: {', '.join(vlms)}"
    outcomes.set_aside(~is_in(frame["vlm"], vlms), "unknown VLM", advice)
    outcomes.set_aside_duplicates(["query_id", "vlm"])
    verdicts = parse_verdicts(frame["correct"])
    outcomes.set_aside(
        verdicts.isna().to_numpy(), "correct is neither true nor false", "score the answer: true or false"
    )
    for column in ("cost_usd", "latency_s"):
        if column in frame:
            wrong = (frame[column] < 0) | np.isinf(frame[column])
            outcomes.set_aside(wrong.to_numpy(), f"{column} is negative or infinite", "correct it; null where unknown")
    for column, shares in SHARES.items():
        if column in frame:
            wrong = frame[column].notna() & ~shares.hold(frame[column])
            outcomes.set_aside(wrong.to_numpy(), f"{column} is not in {shares}", "correct it; null where unknown")


def _clean_dataset(dataset: OutcomeTables, queries: pd.DataFrame, outcomes: pd.DataFrame) -> OutcomeTables:
    """The dataset with only the rows kept, unknown questions as empty ones; probabilities follow queries and VLMs."""
    outcomes = outcomes.assign(correct=parse_verdicts(outcomes["correct"]).astype(bool)).reset_index(drop=True)
    probabilities = dataset.probabilities
    if probabilities is not None:
        known = is_in(probabilities["vlm"], [vlm.name for vlm in dataset.vlms])
        known &= is_in(probabilities["query_id"], queries["query_id"])
        probabilities = probabilities[known].reset_index(drop=True)
    queries = queries.assign(question=queries["question"].fillna("")).reset_index(drop=True)
    return replace(dataset, queries=queries, outcomes=outcomes, probabilities=probabilities)


def _note_halves(queries: pd.DataFrame) -> list[Finding]:
    """Say how many of the queries kept are a picture without words, or words without a picture."""
    halves = (
        (
            "query without words",
            _blank(queries["question"]),
            "nothing if the picture is all that was sent; else fill in the question column",
        ),
        (
            "query without an image",
            (num_images(queries["images"]) == 0).to_numpy(),
            "nothing if words are all that was sent; else fill in the images column",
        ),
    )
    findings = []
    for kind, is_half, advice in halves:
        names = queries["query_id"][is_half]
        examples = tuple({"query_id": name} for name in names.head(_EXAMPLES))
        if len(names):
            findings.append(Finding(kind, "queries", len(names), examples, advice, set_aside=False))
    return findings


def _blank(column: pd.Series) -> np.ndarray:
    """Which texts are null or hold nothing but white space."""
    return (column.isna() | (column.str.strip() == "")).to_numpy(dtype=bool)


def _plain(value: Any) -> Any:
    """A cell as JSON can hold it: null for unknown, text for an infinity."""
    if value is None or value is pd.NA:
        return None
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return list(value) if isinstance(value, tuple) else value

"""From a log's grades to right or wrong: a stated threshold, and never a guess which way a metric points."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from arms.errors import ArmsError

RANGE_HELP = (
    "The least and the greatest grade, such as 1,5, where grades are no shares: only then can they be kept as scores."
)
_SHARE_THRESHOLD = 0.5  # of a grade in [0, 1], unless the user says otherwise

_WORDS = {
    **dict.fromkeys(("true", "t", "yes", "y", "correct", "right", "pass", "passed", "hit"), 1.0),
    **dict.fromkeys(("false", "f", "no", "n", "incorrect", "wrong", "fail", "failed", "miss"), 0.0),
}
UNKNOWN_WORDS = ("", "na", "n/a", "nan", "none", "null", "-")

# Words in a metric's name that say that less is better.
_LOWER_IS_BETTER = frozenset(
    "bias chair chairi chairs cer deviation distance error errors hallucination loss mae mse nll perplexity ppl rmse "
    "runtime ter toxic toxicity wer".split()
)


@dataclass(frozen=True, kw_only=True)
class GradeRule:
    """What makes an answer correct.

    Attributes
    ----------
    threshold : float or None
        The grade from which on an answer is correct. None: 1 of 0 and 1, and 0.5 of shares; other grades need one.
    lower_is_better : bool
        An answer is correct up to the threshold (0 if there is none); metrics that count what is bad need it.
    right, wrong : tuple of str
        Words of the log that mean 1 and 0, beside those that are known; case does not matter.
    grade_range : tuple of two floats, or None
        The least and the greatest grade, where grades are on another scale than shares: scores are made by it.

    Raises
    ------
    ArmsError
        If the threshold is not a finite number, the range is none, or a word is said to mean both.
    """

    threshold: float | None = None
    lower_is_better: bool = False
    right: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()
    grade_range: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        both = {_folded(word) for word in self.right} & {_folded(word) for word in self.wrong}
        if both:
            raise ArmsError(
                f"--right and --wrong: expected each word for one of them, got {sorted(both)[0]!r} for both"
            )
        if self.threshold is not None and not np.isfinite(self.threshold):
            raise ArmsError(f"--threshold: expected a finite number, got {self.threshold}")
        if self.grade_range is not None and not -np.inf < self.grade_range[0] < self.grade_range[1] < np.inf:
            raise ArmsError(f"--grade-range: expected the least and the greatest grade, as 1,5, got {self.grade_range}")

    @cached_property
    def words(self) -> dict[str, float]:
        """What the user's words mean."""
        return {**{_folded(word): 1.0 for word in self.right}, **{_folded(word): 0.0 for word in self.wrong}}


def parse_grade(value: Any, words: Mapping[str, float] = MappingProxyType({})) -> float | None:
    """One grade as a log writes it: NaN if it is left open, None if the value is not a grade.

    The words of a rule, see `GradeRule.words`, go before those that are known.
    """
    if isinstance(value, str):
        text = _folded(value)
        if text in words:
            return words[text]
        if text in UNKNOWN_WORDS:
            return np.nan
        if text in _WORDS:
            return _WORDS[text]
        if "_" in text:  # float() would take 0_1 for 1
            return None
    if value is None or value is pd.NA or value is pd.NaT:
        return np.nan
    try:
        grade = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return None if np.isinf(grade) else grade


def parse_grades(values: pd.Series, words: Mapping[str, float] = MappingProxyType({})) -> tuple[np.ndarray, np.ndarray]:
    """Read grades as a log writes them.

    Parameters
    ----------
    values : Series of N values
        Booleans, numbers, or texts such as "True", "0.5" and "incorrect".
    words : mapping of str to float, optional
        See `GradeRule.words`.

    Returns
    -------
    grades : ndarray of shape (N,), float64
        NaN where there is none.
    wrong : ndarray of shape (N,), bool
        Where there is something that is not a grade.
    """
    if pd.api.types.is_bool_dtype(values.dtype) or pd.api.types.is_numeric_dtype(values.dtype):
        grades = values.astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan)
        wrong = np.isinf(grades)
        return np.where(wrong, np.nan, grades), wrong
    codes, distinct = pd.factorize(values.astype(object).map(_hashable), use_na_sentinel=True)
    read = [parse_grade(value, words) for value in distinct]
    grades = np.array([np.nan if grade is None else grade for grade in read] + [np.nan])
    wrong = np.array([grade is None for grade in read] + [False])
    return grades[codes], wrong[codes]


def to_verdicts(grades: np.ndarray, metric: str, rule: GradeRule) -> tuple[np.ndarray, str]:
    """Tell right from wrong by all grades of one metric.

    Parameters
    ----------
    grades : ndarray of shape (N,), float64
        NaN where unknown.
    metric : str
    rule : GradeRule

    Returns
    -------
    correct : ndarray of shape (N,), object
        True, False, or None where unknown.
    statement : str
        What counts as correct.

    Raises
    ------
    ArmsError
        If less of this metric is better and the rule does not say so, or its grades are not shares and there is no
        threshold.
    """
    known = ~np.isnan(grades)
    threshold = _threshold(grades[known], metric, rule)
    right = grades <= threshold if rule.lower_is_better else grades >= threshold
    correct = np.full(len(grades), None, dtype=object)
    correct[known] = right[known]
    return correct, f"{metric} {'<=' if rule.lower_is_better else '>='} {threshold:g}"


def to_scores(grades: np.ndarray, rule: GradeRule) -> np.ndarray:
    """All grades of one metric as scores in [0, 1], where more is better.

    Parameters
    ----------
    grades : ndarray of shape (N,), float64
        NaN where unknown.
    rule : GradeRule

    Returns
    -------
    ndarray of shape (N,), float64
        NaN where unknown, and everywhere if the grades are 0 and 1, which say no more than right or wrong. Grades on
        another scale are scaled by the rule's range; NaN without one, and for those beyond it.
    """
    known = grades[~np.isnan(grades)]
    if np.isin(known, (0, 1)).all():
        return np.full(len(grades), np.nan)
    is_share = ((known >= 0) & (known <= 1)).all()
    low, high = (0.0, 1.0) if is_share else rule.grade_range or (np.nan, np.nan)
    scores = (grades - low) / (high - low)
    scores = np.where((scores >= 0) & (scores <= 1), scores, np.nan)
    return 1 - scores if rule.lower_is_better else scores


def parse_range(text: str | None) -> tuple[float, float] | None:
    """The least and the greatest grade as a user names them, such as "1,5"; an ArmsError if it is something else."""
    if text is None:
        return None
    try:
        low, high = map(float, text.split(","))
    except ValueError as error:
        raise ArmsError(f"--grade-range: expected the least and the greatest grade, as 1,5, got {text!r}") from error
    return low, high


def lower_is_better(metric: str) -> bool:
    """Whether a metric's name says that less of it is better."""
    words = re.split(r"[^a-z0-9]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", metric).lower())
    return not _LOWER_IS_BETTER.isdisjoint(words)


def _threshold(grades: np.ndarray, metric: str, rule: GradeRule) -> float:
    """The rule's threshold, or the one that goes without saying."""
    if lower_is_better(metric) and not rule.lower_is_better:
        raise ArmsError(
            f"metric {metric}: expected one where more is better, got one that counts what is bad; name another "
            "with --metric, or say --lower-is-better"
        )
    if rule.threshold is not None:
        return rule.threshold
    if np.isin(grades, (0, 1)).all():
        return 0.0 if rule.lower_is_better else 1.0
    if ((grades >= 0) & (grades <= 1)).all() and not rule.lower_is_better:
        return _SHARE_THRESHOLD
    raise ArmsError(
        f"metric {metric}: expected 0 and 1, or shares where more is better, got grades from {grades.min():g} to "
        f"{grades.max():g}; say {'up to' if rule.lower_is_better else 'from'} which one an answer is correct: "
        "--threshold"
    )


def grade_all(
    grades: Sequence[Any], metrics: Sequence[str], rule: GradeRule, verdict_metrics: Collection[str] = ()
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Tell right from wrong row by row, each row by its metric; a value that is not a grade counts as unknown.

    Parameters
    ----------
    grades : sequence of N values
        As `parse_grades` takes them.
    metrics : sequence of N str
    rule : GradeRule
    verdict_metrics : collection of str
        Metrics that say right or wrong in themselves, with 1 and 0, whatever the rule.

    Returns
    -------
    correct : ndarray of shape (N,), object
    scores : ndarray of shape (N,), float64
        See `to_scores`.
    statements : tuple of str
        One for each metric.

    Raises
    ------
    ArmsError
        As `to_verdicts`.
    """
    numbers, _ = parse_grades(pd.Series(list(grades), dtype=object), rule.words)
    names = np.asarray(metrics, dtype=object)
    correct, scores = np.full(len(numbers), None, dtype=object), np.full(len(numbers), np.nan)
    statements = []
    for metric in dict.fromkeys(metrics):
        of_metric = names == metric
        rule_of_metric = GradeRule() if metric in verdict_metrics else rule
        correct[of_metric], statement = to_verdicts(numbers[of_metric], metric, rule_of_metric)
        scores[of_metric] = to_scores(numbers[of_metric], rule_of_metric)
        statements.append(statement)
    return correct, scores, tuple(statements)


def _folded(word: str) -> str:
    """A word without white space around it, in lower case."""
    return word.strip().lower()


def _hashable(value: Any) -> Any:
    """A list or dict as its text, so that it can be looked up; it is not a grade either way."""
    try:
        hash(value)
    except TypeError:
        return repr(value)
    return value

"""One row of lmms-eval's logs: the question, the answer, the images, and which of its metrics grade it."""

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from arms.errors import ArmsError
from arms.importers.lmms_eval.log_files import CATEGORIES
from arms.importers.texts import as_text, encodable, shown

# Keys of a row that are no metrics.
_NO_METRICS = frozenset(
    "doc_id doc input target arguments resps filtered_resps token_counts doc_hash prompt_hash target_hash input_media "
    "submission bypass".split()
)

# The metric to read of a task whose rows have several, the first that a row has.
_PREFERRED = (
    *("exact_match", "relaxed_overall", "pope_accuracy", "average", "acc_score"),
    *("accuracy", "acc", "overall", "overall_score", "score", "anls"),
)

MOST_KEPT = 4  # images of a question that lmms-eval writes into its log
_IMAGE_MARK = re.compile(r"<\|?image(?:[ _]?(?P<number>\d+))?\|?>|<ImageHere>", re.IGNORECASE)


@dataclass(frozen=True, eq=False, slots=True)
class Row:
    """What a row says.

    Attributes
    ----------
    where : str
    doc_id : str
    question : any
        Text without image placeholders, or whatever else is there.
    answer : str or None
        The ground truth.
    output : any
        What the VLM said, before filters where the log has it.
    images : tuple of str
        References, see `ImageIntake`, of the images that the row records; no more than `MOST_KEPT`.
    num_images : int
        As many as there are media or placeholders, whichever are more.
    may_lack : bool
        There may have been more images: nothing but the log's limit says how many.
    category : str or None
        The part of the task.
    grades : dict of str to any
        By metric; None is left open.
    ungraded : str
        The metrics and what they hold, if no one is a grade.
    """

    where: str
    doc_id: str
    question: Any
    answer: str | None
    output: Any
    images: tuple[str, ...]
    num_images: int
    may_lack: bool
    category: str | None
    grades: dict[str, Any]
    ungraded: str


def parse_row(where: str, log: dict[str, Any], metrics: Sequence[str], add_image: Callable[[str], str]) -> Row:
    """Read a row of either form.

    Parameters
    ----------
    where : str
    log : dict
    metrics : sequence of str
        The metrics to read, KEY or KEY.FIELD; empty: all that hold a grade.
    add_image : callable
        Takes an image in as the log records it, and gives its reference.

    Raises
    ------
    ArmsError
        If it has no usable doc_id or media.
    """
    question, num_marks = _question(log)
    media = _media(log.get("input_media"), num_marks)
    num_images = max(len(media), num_marks)
    grades = _named_grades(log, metrics) if metrics else _all_grades(log)
    answer = log.get("target")
    if isinstance(answer, list | dict):
        answer = str(answer)  # as the newer form writes it
    return Row(
        where=where,
        doc_id=_doc_id(log.get("doc_id")),
        question=question,
        answer=as_text(answer),
        output=_unwrap(log["resps"] if log.get("resps") is not None else log.get("filtered_resps")),
        images=tuple(map(add_image, media)),
        num_images=num_images,
        may_lack=len(media) == MOST_KEPT > num_marks,
        category=_category(log),
        grades=grades,
        ungraded="" if grades else "; ".join(_describe(log)),
    )


def choose_metric(keys: Iterable[str], metrics: Sequence[str], task: str) -> str | None:
    """Which of a row's metrics grades it, None if there is none.

    Parameters
    ----------
    keys : iterable of str
        The row's metrics that hold grades in this task.
    metrics : sequence of str
        Those asked for, the first counts; empty: the only one, or one that is known to stand for its task.
    task : str

    Raises
    ------
    ArmsError
        If there are several, and nothing says which.
    """
    keys = list(keys)
    if len(keys) < 2 and not metrics:
        return keys[0] if keys else None
    chosen = next((metric for metric in metrics or _PREFERRED if metric in keys), None)
    if chosen is None and not metrics:
        raise ArmsError(
            f"task {task}: expected one metric that grades a row, got {', '.join(sorted(keys))}; say which: --metric"
        )
    return chosen


def _question(log: dict[str, Any]) -> tuple[Any, int]:
    """The question without its image placeholders, and how many images they stand for."""
    text = log["input"] if "input" in log else _first(log.get("arguments"))
    if not isinstance(text, str):
        return text, 0
    numbers = [mark["number"] for mark in _IMAGE_MARK.finditer(text)]
    if not numbers:
        return text, 0
    distinct = {number for number in numbers if number is not None}
    return _IMAGE_MARK.sub("", text), len(distinct) + numbers.count(None)


def _first(arguments: Any) -> Any:
    """The text that opens the arguments of the first request: they are a list, or a list for each request."""
    while isinstance(arguments, list) and arguments:
        arguments = arguments[0]
    return arguments


def _media(value: Any, num_marks: int) -> list[str]:
    """The images of a row; an ArmsError if they are no texts.

    An image that was at hand with its file's name and its bytes is there twice, the name first: it is one image. So is
    what is there several times, but where the question has as many placeholders.
    """
    media = [value] if isinstance(value, str) else value or []
    if not isinstance(media, list) or not all(isinstance(item, str) for item in media):
        raise ArmsError(f"expected input_media to be a list of texts, got {shown(value)}")
    if len(media) == num_marks:
        return media
    inline = [item for item in media if item[:5].lower() == "data:"]
    if [item in inline for item in media] == [False, True] * len(inline):
        return inline
    return list(dict.fromkeys(media))


def _doc_id(value: Any) -> str:
    """A document's number or name as text; an ArmsError if it is neither."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | str) or not str(value).strip():
        raise ArmsError(f"expected doc_id to be a number or a name, got {shown(value)}")
    return encodable(str(value))


def _category(log: dict[str, Any]) -> str | None:
    """The part of the task that a row belongs to: its document says so, or one of its metrics."""
    for holder in (log.get("doc"), *(value for key, value in log.items() if key not in _NO_METRICS)):
        if isinstance(holder, dict):
            for key in CATEGORIES:
                if isinstance(holder.get(key), str) and holder[key].strip():
                    return holder[key]
    return None


def _unwrap(responses: Any) -> Any:
    """The response in a nest of lists that hold one thing each; several stay a list."""
    while isinstance(responses, list) and len(responses) == 1:
        responses = responses[0]
    return responses


def _all_grades(log: dict[str, Any]) -> dict[str, Any]:
    """What the metrics of a row say: numbers and booleans, bare, in a list of one, or as the score of a mapping."""
    grades = {}
    for key, value in log.items():
        if key not in _NO_METRICS:
            value = _unwrap(value)
            if isinstance(value, dict) and "score" in value:
                value = _unwrap(value["score"])
            if value is None or isinstance(value, bool | int | float):
                grades[key] = None if isinstance(value, float) and math.isnan(value) else value
    return grades


def _named_grades(log: dict[str, Any], metrics: Sequence[str]) -> dict[str, Any]:
    """What the metrics asked for say; here texts are grades too."""
    grades = {}
    for metric in metrics:
        key, _, name = (metric, "", "score") if metric in log else metric.partition(".")
        value = _unwrap(log.get(key))
        if isinstance(value, dict):
            if name not in value:
                continue
            value = _unwrap(value[name])
        elif key not in log or key != metric:
            continue
        grades[metric] = None if isinstance(value, float) and math.isnan(value) else value
    return grades


def _describe(log: dict[str, Any]) -> list[str]:
    """The metrics of a row with what they hold, each as it can be asked for."""
    found = []
    for key, value in log.items():
        if key not in _NO_METRICS:
            value = _unwrap(value)
            fields = ", ".join(map(str, value)) if isinstance(value, dict) else type(value).__name__
            found.append(f"{key}: {fields}")
    return found

"""VLMEvalKit's benchmarks: their languages, the form of their questions, and which are asked several times."""

import re
import string
from collections.abc import Iterable, Mapping

OPTIONS = tuple(string.ascii_uppercase)
_OPTIONS = frozenset(OPTIONS)
_FAMILIES = ("MMMB_", "MMBench_dev_")  # of the same questions in six languages, named by their codes
_CODES = {"ar": "ar", "cn": "zh", "en": "en", "pt": "pt", "ru": "ru", "tr": "tr"}
_CHINESE = ("CCBench",)
_ROTATED = ("mmbench", "ccbench")  # asked once for each rotation of their options
_ROTATION = 10**6  # what each rotation adds to a row's index


def language_of(benchmark: str) -> str:
    """The language of a benchmark's questions where its name says it, else English."""
    for family in _FAMILIES:
        if benchmark.startswith(family):
            return _CODES.get(benchmark.removeprefix(family), "en")
    words = re.split(r"[_-]", benchmark)
    return "zh" if benchmark in _CHINESE or "CN" in words or "cn" in words else "en"


def is_rotated(benchmark: str) -> bool:
    """Whether VLMEvalKit asks a benchmark's questions once for each rotation of their options."""
    return any(name in benchmark.lower() for name in _ROTATED)


def base_index(index: str, group: str | None, rotated: bool) -> str:
    """The row whose question a row asks: its `g_index`, or what VLMEvalKit takes for it; mostly its own."""
    if group is not None:
        return group
    if rotated and index.isdecimal() and len(index) < 20:
        return str(int(index) % _ROTATION)
    return index


def question_text(cells: Mapping[str, str | None]) -> str | None:
    """A question as VLMEvalKit asks it, without the request for a form of answer that it adds to all.

    Only the question; with a hint or options::

        Hint: {hint}
        Question: {question}
        Options:
        A. {first option}
        B. {second option}

    Parameters
    ----------
    cells : mapping
        The texts of the columns question, hint, and A to Z in their order, as far as there are any.

    Returns
    -------
    str or None
        None if there is no such column as the question. An empty cell is an empty question: the picture asks.
    """
    if "question" not in cells:
        return None
    question, hint = cells["question"] or "", cells.get("hint")
    options = [f"{name}. {text}" for name, text in cells.items() if name in _OPTIONS and text is not None]
    if not (hint or options):
        return question
    lines = [f"Hint: {hint}"] if hint else []
    lines += [f"Question: {question}"] if question else []
    return "\n".join([*lines, *(["Options:", *options] if options else [])])


def normal_columns(columns: Iterable[str]) -> dict[str, str]:
    """A table's columns by VLMEvalKit's names for them: in lower case, but for those of options."""
    names: dict[str, str] = {}
    for column in columns:
        names.setdefault(column if column in OPTIONS else column.lower(), column)
    return names

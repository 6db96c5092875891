"""The files of VLMEvalKit's runs, and what their names say: whose each is, of which benchmark, by which judge."""

import os
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from arms.importers.set_aside import SetAside

ENDINGS = (".xlsx", ".tsv", ".json", ".csv")
# What may follow {VLM}_{benchmark} or {VLM}_{benchmark}_{judge} in the name of an evaluated file; but for the
# last, which may be an average, such a file has a row for each question.
PER_QUESTION = ("_detailed_results", "_results", "_result", "_auxmatch")
_FORMS = (*PER_QUESTION, "_score")
# The ends of the names of averages and of intermediate files.
_PASSED_OVER = ("_acc", "_fine", "_metrics", "_rating", "_config", "_meta", "_extract", "_checkpoint", "_tmp")
EXACT_JUDGES = ("exact_matching", "extract_matching", "heuristic")  # no VLMs: they miss answers in other words
_JUDGE = re.compile(
    rf"{'|'.join(EXACT_JUDGES)}|(openai|chatgpt|gpt|o[134]-|qwen|deepseek|claude|gemini|llama|intern|glm|kimi|judge)[^_]*",
    re.IGNORECASE,
)
_RUN = re.compile(r"T(\d{8})(?:-(\d{6})|_G[0-9a-fA-F]+)")
NO_ANSWERS = "file that holds no answers"
NO_ANSWERS_ADVICE = "nothing, if it is not VLMEvalKit's"


@dataclass(frozen=True)
class ResultFile:
    """A file of a run: `rest` is its name without the VLM and the ending."""

    path: Path
    vlm: str
    run: str  # the run's folder, such as T20250101-120000; empty where there is none
    rest: str

    @property
    def stem_and_form(self) -> tuple[str, str]:
        """The rest in two: up to what every evaluation of a kind adds, and that."""
        form = next((form for form in _FORMS if self.rest.endswith(form)), "")
        return self.rest.removesuffix(form), form

    @property
    def age(self) -> tuple[str, str, float, str]:
        """What sorts the runs of a VLM: older first, those without a folder of their own before all."""
        date, time = match.groups("") if (match := _RUN.fullmatch(self.run)) else ("", "")
        return date, time, self.path.stat().st_mtime, str(self.path)


def find_files(sources: Sequence[Path], aside: SetAside) -> list[Path]:
    """The tables among the sources, each once; links are followed only to places in the sources."""
    roots = [os.path.realpath(source) for source in sources]
    found: dict[str, Path] = {}
    for path in (path for source in sources for path in _walk(source)):
        if path.suffix.lower() not in ENDINGS:
            continue
        real = os.path.realpath(path)
        if not any(Path(real).is_relative_to(root) for root in roots):
            aside.add("file outside the sources", str(path), "name the folder it leads to as a source", detail=real)
        elif not os.path.isfile(real):
            aside.note("link that leads nowhere", str(path), "copy what it led to, if that is needed", detail=real)
        elif found.setdefault(real, path).is_symlink():
            found[real] = path
    return list(found.values())


def _walk(source: Path) -> list[Path]:
    """The files below a source, or the source itself."""
    if source.is_file():
        return [source]
    return sorted(Path(folder, name) for folder, _, names in os.walk(source) for name in names)


def is_passed_over(path: Path) -> bool:
    """Whether a file of a run holds averages or is an intermediate one."""
    average = path.stem.endswith("_score") and path.suffix.lower() == ".csv"
    return average or path.stem.endswith(_PASSED_OVER) or path.stem == "status" or path.stem.startswith("_")


def assign_files(
    paths: Iterable[Path], benchmarks: Collection[str], holds_answers: Callable[[Path], bool], aside: SetAside
) -> list[ResultFile]:
    """Find the VLM of each file: its folder's name, or else what comes before a known benchmark's name.

    Parameters
    ----------
    paths : iterable of Path
    benchmarks : collection of str
        The names of the benchmarks whose TSVs are known.
    holds_answers : callable
        Says whether a file holds predictions or verdicts.
    aside : SetAside
        Receives files whose VLM cannot be found.
    """
    placed, loose = [], []
    for path in paths:
        folder = Path(os.path.abspath(path)).parent
        run = folder.name if _RUN.fullmatch(folder.name) else ""
        vlm = folder.parent.name if run else folder.name
        if vlm and path.stem.startswith(f"{vlm}_"):
            placed.append(ResultFile(path, vlm, run, path.stem[len(vlm) + 1 :]))
        else:
            loose.append((path, run))
    vlms = {file.vlm for file in placed}
    for path, run in loose:
        split = _split_loose(path.stem, benchmarks, vlms)
        if split:
            placed.append(ResultFile(path, split[0], run, split[1]))
        elif holds_answers(path):
            aside.add(
                "file whose VLM and benchmark cannot be told apart",
                str(path),
                "put it into a folder with its VLM's name, as VLMEvalKit does, or name the benchmark's file with --tsv",
            )
        else:
            aside.note(NO_ANSWERS, str(path), NO_ANSWERS_ADVICE)
    return placed


def _split_loose(stem: str, benchmarks: Collection[str], vlms: Collection[str]) -> tuple[str, str] | None:
    """A name as its VLM and the rest: the longest benchmark's name in it decides, then known VLMs."""
    words = stem.split("_")
    spans = [(start, end) for start in range(1, len(words)) for end in range(start + 1, len(words) + 1)]
    named = [(end - start, start) for start, end in spans if "_".join(words[start:end]) in benchmarks]
    if named:
        _, start = max(named)
        return "_".join(words[:start]), "_".join(words[start:])
    known = max((vlm for vlm in vlms if stem.startswith(f"{vlm}_")), key=len, default=None)
    return None if known is None else (known, stem[len(known) + 1 :])


def split_judge(file: ResultFile, benchmarks: Collection[str]) -> tuple[str, str]:
    """The benchmark and the judge, empty where no one is named, in the name of an evaluated file.

    Parameters
    ----------
    file : ResultFile
    benchmarks : collection of str
        Known names; the longest one that fits is taken.
    """
    if file.rest in benchmarks:
        return file.rest, ""
    stem, form = file.stem_and_form
    if stem in benchmarks:
        return stem, ""
    words = stem.split("_")
    for end in range(len(words) - 1, 0, -1):
        benchmark, judge = "_".join(words[:end]), "_".join(words[end:])
        if benchmark in benchmarks and _may_be_judge(judge, form):
            return benchmark, judge
    for end in (len(words) - 2, len(words) - 1):  # two words at most, as in exact_matching
        if end > 0 and _JUDGE.fullmatch("_".join(words[end:])):
            return "_".join(words[:end]), "_".join(words[end:])
    if form == "_result" and len(words) > 1:  # it always names a judge
        return "_".join(words[:-1]), words[-1]
    return stem, ""


def _may_be_judge(name: str, form: str) -> bool:
    """Whether what follows a benchmark's name may be a judge's; else it is part of another benchmark's name."""
    if _JUDGE.fullmatch(name):
        return True
    if "_" in name or form not in ("_result", "_score", ""):
        return False
    return form == "_result" or bool(re.search("[-.]", name))

"""The runs that lmms-eval wrote: which files they are in, which VLM answered, when, and the rows."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arms.catalogue.spellings import short_name
from arms.errors import ArmsError
from arms.importers.rows.json_files import open_lines, read_json
from arms.importers.rows.reader import find_files
from arms.importers.rows.table import open_file
from arms.importers.set_aside import SetAside

# Keys under which a document tells what part of its task it belongs to.
CATEGORIES = ("subtask", "sub_task", "category", "l2_category", "subject", "subdomain", "question_type")

_SAMPLES = re.compile(r"(?P<time>\d[\d_T.:-]*)_samples_(?P<task>.+)\.jsonl")
_HARNESS = re.compile(r"samples_.+_\d{4}-\d\d-\d\dT[\d.:-]+\.jsonl")  # as lm-evaluation-harness calls its own
_HARNESS_ADVICE = (
    "import its files with: arms import records --question-column doc.question --image-column doc.image "
    "--id-column doc_id --correct-column METRIC --vlm-from-filename '{vlm}/samples_*.jsonl', with the names that its "
    "rows have"
)
_SNIFF = 4096  # bytes at the beginning of a JSON file, in which the older form shows itself

# The arguments of a model class that name the VLM, in the order in which lmms-eval itself looks for them.
_NAMING = ("peft", "delta", "pretrained", "model", "model_version", "model_name", "model_id", "path", "engine")


@dataclass(frozen=True, eq=False)
class Run:
    """One VLM's answers to one task.

    Attributes
    ----------
    path : Path
    task : str
    vlm : str
    time : str
        When it began, as digits that sort by age.
    recorded : str
        What the log says of the VLM, at full length.
    lower_is_better : set of str
        The metrics where the run's results file says so.
    logs : list or None
        The rows of a file of the older form, which has to be read whole.
    """

    path: Path
    task: str
    vlm: str
    time: str
    recorded: str
    lower_is_better: frozenset[str] = frozenset()
    logs: list[Any] | None = None


def find_runs(sources: Sequence[Path], aside: SetAside) -> list[Run]:
    """Find the runs in some files and folders.

    Parameters
    ----------
    sources : sequence of Path
        Folders are searched to any depth; files with other names than lmms-eval gives are passed over there.
    aside : SetAside
        Receives files that cannot be read, and runs whose VLM is unknown.

    Returns
    -------
    list of Run
        One or more.

    Raises
    ------
    ArmsError
        If a named file is not a log of lmms-eval, or there is no run at all, as in a log of lm-evaluation-harness.
    """
    results: dict[Path, dict[str, Any]] = {}
    problems: list[str] = []
    runs, foreign = [], []
    for path in find_files(sources, _may_be_run):
        if _HARNESS.fullmatch(path.name):
            foreign.append(path)
            continue
        try:
            run = _find_run(path, results, aside)
        except ArmsError as error:
            problems.append(str(error))
            aside.add("file that cannot be read", str(path), "run the evaluation again", detail=str(error))
            continue
        if run is not None:
            runs.append(run)
        elif path in sources and not path.name.endswith("results.json"):
            raise ArmsError(
                f"{path}: expected a log of lmms-eval, written with --log_samples: DATE_samples_TASK.jsonl, or "
                "TASK.json with 'args' and 'logs'"
            )
    if foreign and not runs:
        raise ArmsError(
            f"{foreign[0]}: expected a log of lmms-eval, got one of lm-evaluation-harness, in files: {len(foreign):,}; "
            f"{_HARNESS_ADVICE}"
        )
    for path in foreign:
        aside.add("log of lm-evaluation-harness", str(path), _HARNESS_ADVICE)
    if not runs:
        names = ", ".join(map(str, sources))
        hint = problems[0] if problems else "run lmms-eval with --log_samples and name its --output_path"
        raise ArmsError(f"{names}: expected DATE_samples_TASK.jsonl files of lmms-eval, found none to use; {hint}")
    return runs


def read_logs(run: Run, aside: SetAside) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rows of a run, each with its place; what is not a row is set aside, and so is an unreadable file."""
    if run.logs is None:
        try:
            with open_lines(run.path, aside) as table:
                yield from table.rows()
        except ArmsError as error:
            aside.add("file that cannot be read", str(run.path), "run the evaluation again", detail=str(error))
        return
    for number, log in enumerate(run.logs):
        where = f"{run.path}, logs[{number}]"
        if isinstance(log, dict):
            yield where, log
        else:
            aside.add("row that is not a JSON object", where, "run the evaluation again", detail=type(log).__name__)


def _may_be_run(path: Path) -> bool:
    named = _SAMPLES.fullmatch(path.name) or _HARNESS.fullmatch(path.name)
    return bool(named) or (path.name.endswith(".json") and _looks_older(path))


def _looks_older(path: Path) -> bool:
    """Whether a JSON file begins as the older form does; others in a folder may be large, and are not read."""
    if path.name.endswith("results.json"):
        return False
    try:
        with open_file(path) as stream:
            head = stream.read(_SNIFF)
    except OSError:
        return False
    return b'"args"' in head or b'"logs"' in head


def _find_run(path: Path, results: dict[Path, dict[str, Any]], aside: SetAside) -> Run | None:
    """The run in a file, None if it is not a log; an ArmsError if it cannot be read."""
    name = _SAMPLES.fullmatch(path.name)
    if name:
        return _newer_run(path, name["time"], name["task"], results, aside)
    if path.suffix != ".json" or path.name.endswith("results.json"):
        return None
    content = read_json(path)
    if not isinstance(content, dict) or not isinstance(content.get("logs"), list):
        return None
    return _older_run(path, content, aside)


def _newer_run(path: Path, time: str, task: str, results: dict[Path, dict[str, Any]], aside: SetAside) -> Run | None:
    """A run of the newer form: the results file beside it, or the folder's name, says whose it is."""
    beside = path.with_name(f"{time}_results.json")
    if beside not in results:
        results[beside] = _read_results(beside, aside)
    found = results[beside]
    config = _mapping(found.get("config"))
    folder = Path(os.path.abspath(path)).parent.name.replace("__", "/")  # so does lmms-eval write a slash
    names = (found.get("model_name"), _named_in(config.get("model_args")))
    # Without such a name lmms-eval writes to the output path itself, and the class of model is all that is known.
    for recorded in (*names, config.get("model"), folder):
        vlm = _short_name(recorded)
        if vlm:
            better = _mapping(_mapping(found.get("higher_is_better")).get(task))
            lower = [key for key, higher in better.items() if higher is False]
            return Run(path, task, vlm, _digits(time), str(recorded), frozenset(lower))
    _set_nameless_aside(path, aside)
    return None


def _older_run(path: Path, content: dict[str, Any], aside: SetAside) -> Run | None:
    """A run of the older form, which holds the arguments of the evaluation."""
    args = _mapping(content.get("args"))
    time = content.get("time")
    if not isinstance(time, str):
        time = "".join(re.findall(r"^[\d_]+", Path(os.path.abspath(path)).parent.name))
    for recorded in (_named_in(args.get("model_args")), args.get("model")):
        vlm = _short_name(recorded)
        if vlm:
            logs = [_trim(log) for log in content["logs"]]
            return Run(path, path.stem, vlm, _digits(time), str(recorded), logs=logs)
    _set_nameless_aside(path, aside)
    return None


def _set_nameless_aside(path: Path, aside: SetAside) -> None:
    aside.add(
        "run of a VLM without a name", str(path), "put the file into a folder of the VLM's name, beside its results"
    )


def _read_results(path: Path, aside: SetAside) -> dict[str, Any]:
    """A run's results file; nothing, and a note, if it is missing or broken."""
    try:
        return read_json(path, dict)
    except ArmsError as error:
        aside.note(
            "results file that cannot be read",
            str(path),
            "nothing if the folder has the VLM's name; it is taken instead",
            detail=str(error),
        )
        return {}


def _named_in(model_args: Any) -> str | None:
    """The argument that names the VLM, such as the 4o of model_version=4o,timeout=9."""
    if isinstance(model_args, str):
        pairs = (part.partition("=") for part in model_args.split(","))
        model_args = {key.strip(): value for key, _, value in pairs}
    if not isinstance(model_args, dict):
        return None
    return next((model_args[key] for key in _NAMING if _short_name(model_args.get(key))), None)


def _short_name(recorded: Any) -> str | None:
    """A VLM's name: ORGANISATION/NAME, of a longer path its last two parts, as in lmms-eval's folders."""
    return short_name(recorded) if isinstance(recorded, str) else None


def _trim(log: Any) -> Any:
    """A row of the older form without the parts of the document that are not needed, which can be long."""
    if not isinstance(log, dict) or not isinstance(log.get("doc"), dict):
        return log
    return {**log, "doc": {key: log["doc"][key] for key in CATEGORIES if key in log["doc"]}}


def _mapping(value: Any) -> dict[str, Any]:
    """A mapping; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def _digits(time: str) -> str:
    return "".join(re.findall(r"\d", time))

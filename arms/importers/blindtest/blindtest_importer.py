"""Import BlindTest from a clone of its repository, where the folder that a picture lies in tells the outcome."""

import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pandas as pd

from arms.data.pictures import PictureError, read_file
from arms.data.tables import OUTCOMES, QUERIES
from arms.errors import ArmsError
from arms.importers.base import Importer, Intake, Log
from arms.importers.blindtest.picture_folders import PROMPTS_FILE, VLMS, Picture, find_tasks, read_pictures
from arms.importers.blindtest.prompts import choose_prompt, fill_prompt, prompts_of, read_prompts, squash
from arms.importers.set_aside import SetAside
from arms.progress import progress_bar

_REPOSITORY = "github.com/anguyen8/vision-llms-are-blind"
BENCHMARK = "blindtest"
_ANSWER = re.compile(r"(?:^|_)(?:gt|num(?:Circles|Pentagons))_(\d+)(?:_|$)")  # in the names of some pictures

# By task, other folders, question and picture: each VLM's copy, with the reference of its content.
Copies = dict[tuple[str, tuple[str, ...], str, str], list[tuple[Picture, str]]]


@dataclass(frozen=True, kw_only=True)
class BlindTestImporter(Importer):
    """BlindTest."""

    summary: ClassVar[str] = f"A clone of {_REPOSITORY}."
    description: ClassVar[str] = (
        "A picture's folders tell the task, the prompt, the VLM and whether its answer was correct; outputs, costs and "
        "latencies are not recorded. Questions come from src/prompts.md. The VLMs' outcomes are joined on task, prompt "
        "and the picture's name without the VLM's; an outcome whose picture is not, to the byte, that of most VLMs is "
        "set aside. The right answer is known where the picture's name holds it."
    )
    example: ClassVar[str] = "arms import blindtest ~/vision-llms-are-blind --name blindtest"

    def read(self, sources: Sequence[Path], intake: Intake) -> Log:
        """Read one clone."""
        if len(sources) != 1:
            raise ArmsError(f"blindtest: expected one source, a clone of {_REPOSITORY}, got {len(sources)}")
        root = _find_root(sources[0])
        prompts = read_prompts(root / PROMPTS_FILE)
        copies: Copies = defaultdict(list)
        tasks = find_tasks(root)
        with progress_bar("read", "tasks") as progress:
            for number, images in enumerate(tasks, start=1):
                for pictures in read_pictures(images, intake.aside):
                    _take(pictures, prompts_of(pictures[0].task, prompts), intake, copies)
                progress(number, len(tasks))
        if not copies:
            found = "; ".join(f"{finding.count} times {finding.kind}" for finding in intake.aside.findings())
            raise ArmsError(
                f"{root}: expected pictures in folders such as NestedSquares/images/count-prompt/gpt-4o/correct, got "
                f"none that can be used{found and f': {found}'}"
            )
        queries, outcomes = _build(copies, intake.aside)
        judged = {vlm for _, vlm, _ in outcomes}
        return Log(
            pd.DataFrame(queries, columns=list(QUERIES.required), dtype=object),
            pd.DataFrame(outcomes, columns=list(OUTCOMES.required)),
            tuple(vlm for vlm in VLMS if vlm in judged),
            ("a picture in a folder named correct",),
        )


def _find_root(source: Path) -> Path:
    """The folder src of a clone, which may be the source itself; neither it nor the prompts may be a link elsewhere."""
    for folder in (source / "src", source):
        file = folder / PROMPTS_FILE
        if file.is_file() and not file.is_symlink() and (folder == source or not folder.is_symlink()):
            return folder
    raise ArmsError(f"{source}: expected a clone of {_REPOSITORY}, with src/{PROMPTS_FILE}, got none")


def _take(pictures: Sequence[Picture], prompts: Sequence[str], intake: Intake, copies: Copies) -> None:
    """Take in the pictures of one folder, each with its question."""
    folder, folders = pictures[0].path.parent, pictures[0].folders
    chosen = choose_prompt(folders, prompts)
    if chosen is None:
        kind = "pictures of a task without prompts" if not prompts else "pictures of an unknown prompt"
        advice = f"have {PROMPTS_FILE} and the folders from one version of the repository"
        intake.aside.add(kind, str(folder), advice, detail=" / ".join(folders), count=len(pictures))
        return
    prompt, others = chosen
    for picture in pictures:
        question = fill_prompt(prompt, others, picture.name)
        if question is None:
            advice = "name the picture or its folder as the others of the task"
            intake.aside.add("picture that does not fit its prompt", str(picture.path), advice, detail=prompt)
            continue
        content = _read(picture.path, intake.aside)
        if content is not None:
            key = (picture.task, tuple(map(squash, others)), question, picture.name)
            copies[key].append((picture, intake.images.add(content)))


def _read(path: Path, aside: SetAside) -> bytes | None:
    """A picture's bytes; None, and set aside, if they cannot be read or are too many."""
    try:
        return read_file(path, path.name)
    except PictureError as error:
        aside.add("picture that cannot be read", str(path), "put it there again", detail=error.detail)
        return None


def _build(copies: Copies, aside: SetAside) -> tuple[list[tuple], list[tuple[str, str, bool]]]:
    """The rows of the queries, and of the outcomes on the very picture that most VLMs have."""
    queries: list[tuple] = []
    outcomes = []
    for (task, folders, question, name), those in copies.items():
        query_id = hashlib.sha256(json.dumps([task, folders, question, name]).encode()).hexdigest()[:16]
        shown = _most_common([reference for _, reference in those])
        if shown is not None:
            answer = _ANSWER.search(name)
            queries.append((query_id, BENCHMARK, task, "en", question, (shown,), answer and answer[1]))
        for picture, reference in those:
            if reference == shown:
                outcomes.append((query_id, picture.vlm, picture.correct))
            else:
                advice = "nothing if the VLM was shown another picture: then it answered another query"
                aside.add("picture that differs from the other VLMs'", str(picture.path), advice)
    return queries, outcomes


def _most_common(references: Sequence[str]) -> str | None:
    """The most frequent reference; None if several are."""
    first, *others = Counter(references).most_common(2)
    return None if others and others[0][1] == first[1] else first[0]

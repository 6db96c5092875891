"""Damage every file of a run, read it, and count: the right number, an error that names the file, or a wrong number."""

import random
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import chdir
from pathlib import Path

from arms.errors import ArmsError
from tests.faults.damage import DAMAGES, damaged
from tests.faults.readers import READERS, Reader, root_of

RIGHT, REFUSED, DVC, WRONG = "right", "refused", "seen by DVC", "wrong"
_DEPTH = 3  # an error may name the store or the router that holds the file, such as data/routers/phi


def try_files(
    project: Path,
    older: Path,
    *,
    per_kind: int | None = None,
    flips: int = 1,
    seed: int = 0,
    damages: Sequence[str] = DAMAGES,
) -> Iterator[tuple[str, str, str, str]]:
    """Yield kind of file, damage, outcome and what happened, case by case.

    Parameters
    ----------
    project, older : Path
        Two runs of the pipeline, the second with other seeds.
    per_kind : int, optional
        Try only so many files of a kind, chosen by the seed.
    flips : int
        Bits to flip in each file, one after the other.
    """
    chance = random.Random(seed)
    with chdir(project):
        for reader in READERS:
            files = reader.files()
            chosen = files if per_kind is None else sorted(chance.sample(files, min(per_kind, len(files))))
            right: dict[Path, str] = {}
            for file in chosen:
                root = root_of(file)
                if root not in right or reader.name == "pictures":
                    right[root] = reader.read(file)
                for kind in damages:
                    for _ in range(flips if kind == "flip" else 1):
                        with damaged(file, kind, chance, others=files, older=older / file) as changed:
                            if changed:
                                outcome, text = _outcome(reader, changed, right[root])
                                yield reader.name, kind, outcome, f"{kind} {file}: {text}"


def _outcome(reader: Reader, changed: list[Path], right: str) -> tuple[str, str]:
    try:
        read = reader.read(changed[0])
    except ArmsError as error:
        holders = [*changed, *(part for file in changed for part in file.parents if len(part.parts) >= _DEPTH)]
        named = any(part.as_posix() in str(error) for part in holders)
        return (REFUSED if named else WRONG), str(error).partition("\n")[0]
    except Exception as error:  # a traceback, where an error is promised
        return WRONG, f"{type(error).__name__}: {error}"
    if read == right:
        return RIGHT, "the right number"
    if _dvc_sees():
        return DVC, "another number, and DVC would run the stage again"
    return WRONG, "another number"


def _dvc_sees() -> bool:
    done = subprocess.run(["dvc", "status", "--quiet"], capture_output=True, check=False)
    return done.returncode != 0


def count(cases: Iterator[tuple[str, str, str, str]]) -> tuple[Counter[tuple[str, str, str]], list[str]]:
    """How often each kind of file and damage had each outcome, and what happened in the wrong cases."""
    counts: Counter[tuple[str, str, str]] = Counter()
    wrong = []
    for kind, damage, outcome, text in cases:
        counts[kind, damage, outcome] += 1
        if outcome == WRONG:
            wrong.append(text)
    return counts, wrong

"""Folders with a list of their files' checksums, sha256.json: what is read is exactly what was written together."""

import hashlib
import json
from pathlib import Path

from arms.data.disk import read_bytes, read_json
from arms.errors import ArmsError

SEAL = "sha256.json"
_HEX_DIGITS = 64


def seal_folder(folder: Path) -> None:
    """List the SHA-256 of every file of a folder in its sha256.json; call it last, in an `atomic_folder`."""
    sums = {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in _files(folder).items()}
    (folder / SEAL).write_text(json.dumps(sums, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def check_folder(folder: Path, expected: str, remedy: str) -> None:
    """Compare every file of a folder with its sha256.json.

    Parameters
    ----------
    folder : Path
    expected : str
        What the folder should be, such as "a prepared dataset".
    remedy : str
        What to do if it is not, such as "run: dvc repro prepare".

    Raises
    ------
    ArmsError
        If a file is missing, was added, or differs; the text names it.
    """
    seal = folder / SEAL
    sums = read_json(seal, f"the checksums of {expected}", remedy)
    if not (isinstance(sums, dict) and all(isinstance(one, str) and len(one) == _HEX_DIGITS for one in sums.values())):
        raise ArmsError(f"{seal} is damaged: expected a SHA-256 for each file, got something else; {remedy}")
    found = _files(folder)
    for name in sorted({*sums, *found}):
        if name not in sums:
            raise ArmsError(
                f"{folder / name}: not a file of {expected} ({seal} does not list it); remove it, or {remedy}"
            )
        if name not in found:
            raise ArmsError(
                f"{folder / name}: expected a file of {expected}, which {seal} lists, got no such file; {remedy}"
            )
        if hashlib.sha256(read_bytes(found[name], f"a file of {expected}", remedy)).hexdigest() != sums[name]:
            raise ArmsError(f"{folder / name} is damaged or was changed: it does not match {seal}; {remedy}")


def _files(folder: Path) -> dict[str, Path]:
    """Every file by its path in the folder, but for hidden ones and the list itself."""
    files = {file.relative_to(folder): file for file in sorted(folder.rglob("*")) if file.is_file()}
    return {
        name.as_posix(): file
        for name, file in files.items()
        if name.as_posix() != SEAL and not any(part.startswith(".") for part in name.parts)
    }

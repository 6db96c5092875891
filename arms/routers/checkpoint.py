"""Checkpoints: a folder with a JSON description, and a safetensors file for each part of the weights.

Equal parts are equal files, so DVC's cache keeps them once however many routers have them.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from arms.errors import ArmsError

FORMAT = 4
DESCRIPTION = "router.json"

Parts = Mapping[str, Mapping[str, Tensor]]  # tensors by name, by the part that they belong to


def write_checkpoint(folder: Path, parts: Parts, description: dict[str, Any], *, beside: Path | None = None) -> None:
    """Write weights and description into an existing folder, the description last, with the sha256 of each file.

    Parameters
    ----------
    parts : mapping of str to mapping of str to Tensor
        A part without tensors is left out.
    beside : Path, optional
        A checkpoint in a folder next to this one. A part that it has too is not written again, only named.
    """
    theirs = {} if beside is None else read_description(beside)["weights"]
    weights = {}
    for part, tensors in parts.items():
        if not tensors:
            continue
        file = folder / f"{part}.safetensors"
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, file)
        weights[part] = {"file": file.name, "sha256": _sha256(file)}
        if beside is not None and weights[part] == theirs.get(part):
            weights[part]["file"] = f"../{beside.name}/{file.name}"
            file.unlink()
    content = {"format": FORMAT, **description, "weights": weights}
    (folder / DESCRIPTION).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def read_description(folder: Path) -> dict[str, Any]:
    """Read a checkpoint's description.

    Raises
    ------
    ArmsError
        If the folder holds no checkpoint, or one of another format.
    """
    file = folder / DESCRIPTION
    if not file.is_file():
        raise ArmsError(f"{folder}: no router there ({DESCRIPTION} is missing); train one with: dvc repro")
    try:
        description = json.loads(file.read_text())
    except json.JSONDecodeError as error:
        raise ArmsError(f"{file}: not valid JSON: {error}") from error
    got = description.get("format") if isinstance(description, dict) else None
    if got != FORMAT:
        raise ArmsError(f"{file}: expected checkpoint format {FORMAT}, got {got!r}; train it anew")
    return description


def read_weights(folder: Path, description: dict[str, Any]) -> dict[str, dict[str, Tensor]]:
    """Read a checkpoint's weights by part, and check them against its description.

    Raises
    ------
    ArmsError
        If a file is missing, or does not match its sha256 in the description.
    """
    return {part: _read_part(folder / of["file"], of["sha256"]) for part, of in description["weights"].items()}


def _read_part(file: Path, sha256: str) -> dict[str, Tensor]:
    if not file.is_file():
        shared = "; routers side by side share files, so copy the folder around them" if ".." in file.parts else ""
        raise ArmsError(f"{file} is missing; the checkpoint is incomplete{shared}")
    if (got := _sha256(file)) != sha256:
        raise ArmsError(f"{file}: expected sha256 {sha256}, got {got}; the file is damaged")
    return load_file(file)


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()

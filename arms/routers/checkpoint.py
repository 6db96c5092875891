"""Checkpoints: a folder with the weights as safetensors and a JSON description of everything else."""

import hashlib
import json
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from arms.errors import ArmsError

FORMAT = 3
DESCRIPTION = "router.json"
WEIGHTS = "model.safetensors"


def write_checkpoint(folder: Path, tensors: dict[str, Tensor], description: dict[str, Any]) -> None:
    """Write weights and description into an existing folder, the description last, with the weights' sha256."""
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, folder / WEIGHTS)
    content = {"format": FORMAT, **description, "weights_sha256": _sha256(folder / WEIGHTS)}
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


def read_weights(folder: Path, description: dict[str, Any]) -> dict[str, Tensor]:
    """Read a checkpoint's weights and check them against its description.

    Raises
    ------
    ArmsError
        If they are missing, or do not match the sha256 in the description.
    """
    file = folder / WEIGHTS
    if not file.is_file():
        raise ArmsError(f"{file} is missing; the checkpoint is incomplete")
    if (got := _sha256(file)) != description["weights_sha256"]:
        raise ArmsError(f"{file}: expected sha256 {description['weights_sha256']}, got {got}; the file is damaged")
    return load_file(file)


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()

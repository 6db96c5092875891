"""Checkpoints: a folder with a JSON description, and a safetensors file for each part of the weights.

Equal parts are equal files, so DVC's cache keeps them once however many routers have them. The description has the
checksum of every file, of the checkpoints in folders below, and of itself: so the root's covers every byte that can
change a number.
"""

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from arms.data.disk import read_bytes
from arms.errors import ArmsError

FORMAT = 5
DESCRIPTION = "router.json"
_UNSEALED = 4  # the format before, which had checksums of the weights only
_OWN = ("format", "weights", "files", "nested", "sha256")

Parts = Mapping[str, Mapping[str, Tensor]]  # tensors by name, by the part that they belong to

logger = logging.getLogger(__name__)


def write_checkpoint(
    folder: Path,
    parts: Parts,
    description: dict[str, Any],
    *,
    beside: Path | None = None,
    files: Sequence[str] = (),
    nested: Sequence[str] = (),
) -> None:
    """Write weights and description into an existing folder, the description last, with the sha256 of each file.

    Parameters
    ----------
    parts : mapping of str to mapping of str to Tensor
        A part without tensors is left out.
    beside : Path, optional
        A checkpoint in a folder next to this one. A part that it has too is not written again, only named.
    files : sequence of str
        Other files of the checkpoint, already in the folder.
    nested : sequence of str
        Folders in this one that hold checkpoints which belong to it.
    """
    theirs = {} if beside is None else read_description(beside)["weights"]
    weights = {}
    for part, tensors in parts.items():
        if not tensors:
            continue
        content = save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
        file = folder / f"{part}.safetensors"
        weights[part] = {"file": file.name, "sha256": _sha256(content)}
        if beside is not None and weights[part] == theirs.get(part):
            weights[part]["file"] = f"../{beside.name}/{file.name}"
        else:
            file.write_bytes(content)
    own = {key: value for key, value in description.items() if key not in _OWN}
    sums = {"files": {name: _sha256((folder / name).read_bytes()) for name in files}} if files else {}
    below = {"nested": {name: read_description(folder / name)["sha256"] for name in nested}} if nested else {}
    sealed = seal({"format": FORMAT, **own, "weights": weights, **sums, **below})
    (folder / DESCRIPTION).write_text(json.dumps(sealed, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def seal(description: dict[str, Any]) -> dict[str, Any]:
    """A description with its checksum: the SHA-256 of its content, however that is spaced and ordered.

    The content is taken as JSON gives it back, whose keys are texts.
    """
    content = json.loads(json.dumps({key: value for key, value in description.items() if key != "sha256"}))
    return {**content, "sha256": _sha256(json.dumps(content, sort_keys=True).encode())}


def read_description(folder: Path, sha256: str | None = None) -> dict[str, Any]:
    """Read a checkpoint's description, and check it against its checksum.

    Parameters
    ----------
    sha256 : str, optional
        The checksum that it should have: that of the checkpoint which a bigger one was saved with.

    Raises
    ------
    ArmsError
        If the folder holds no checkpoint, one of another format, a damaged one, or another one.
    """
    file = folder / DESCRIPTION
    if not file.is_file():
        raise ArmsError(f"{folder}: no router there ({DESCRIPTION} is missing); train one with: dvc repro")
    try:
        description = json.loads(read_bytes(file, "a router's description", "train it anew"))
    except ValueError as error:
        raise ArmsError(f"{file}: not valid JSON: {error}") from error
    got = description.get("format") if isinstance(description, dict) else None
    if got == _UNSEALED:
        logger.warning("%s was saved before descriptions had checksums, and is loaded unchecked; train it anew", folder)
    elif got != FORMAT:
        raise ArmsError(f"{file}: expected checkpoint format {FORMAT}, got {got!r}; train it anew")
    elif description.get("sha256") != seal(description)["sha256"]:
        raise ArmsError(f"{file} is damaged or was changed: it does not match its checksum; train it anew")
    if sha256 is not None and description.get("sha256") != sha256:
        raise ArmsError(f"{file}: expected the router that {folder.parent} was saved with, got another; train it anew")
    return description


def nested_sha256(description: dict[str, Any], name: str) -> str | None:
    """The checksum of a checkpoint in a folder below; None if the format before did not have it."""
    return None if description["format"] == _UNSEALED else description["nested"][name]


def read_weights(folder: Path, description: dict[str, Any]) -> dict[str, dict[str, Tensor]]:
    """Read a checkpoint's weights by part, and check them against its description.

    Raises
    ------
    ArmsError
        If a file is missing, does not match its sha256 in the description, or holds no weights.
    """
    return {
        part: _tensors(_weights_file(folder, part, of["file"]), of["sha256"])
        for part, of in description["weights"].items()
    }


def read_file(folder: Path, description: dict[str, Any], name: str) -> bytes:
    """Read another file of a checkpoint; raises as `read_weights`."""
    return _read(folder / name, None if description["format"] == _UNSEALED else description["files"][name])


def _weights_file(folder: Path, part: str, named: str) -> Path:
    """The file of a part, in this folder or in one next to it; a description of a stranger may name any other."""
    *above, name = Path(named).parts
    if name != f"{part}.safetensors" or (above and (len(above) != 2 or above[0] != ".." or above[1] == "..")):
        raise ArmsError(
            f"{folder / DESCRIPTION}: expected the weights {part!r} in {part}.safetensors, here or in a folder next to "
            f"this one, got {named!r}; train it anew"
        )
    return folder / named


def _tensors(file: Path, sha256: str) -> dict[str, Tensor]:
    try:
        return load(_read(file, sha256))
    except SafetensorError as error:
        raise ArmsError(f"{file}: expected weights in safetensors, could not read them: {error}") from error


def _read(file: Path, sha256: str | None) -> bytes:
    """The bytes of a file, which are those that were checked: the file may be replaced meanwhile."""
    if not file.is_file():
        shared = "; routers side by side share files, so copy the folder around them" if ".." in file.parts else ""
        raise ArmsError(f"{file} is missing; the checkpoint is incomplete{shared}")
    content = read_bytes(file, "a file of a router", "train it anew")
    if sha256 is not None and (got := _sha256(content)) != sha256:
        raise ArmsError(f"{file}: expected sha256 {sha256}, got {got}; the file is damaged")
    return content


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()

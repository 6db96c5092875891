"""The pretrained pair that comes with the package; MODEL_CARD.md says how it was made and what it can do."""

import hashlib
import json
from functools import cache
from pathlib import Path

from arms.errors import ArmsError

BUNDLED = "bundled"  # in conf/encoders/, instead of a name on a hub

_FOLDER = Path(__file__).parent


@cache
def bundled_folder(modality: str) -> Path:
    """The folder of the bundled image or text model, in its hub's layout; every file is checked against its sha256.

    Raises
    ------
    ArmsError
        If a file is missing or is not what was shipped.
    """
    try:
        sums = json.loads((_FOLDER / "sha256.json").read_text())
    except (OSError, ValueError) as error:
        raise ArmsError(f"{_FOLDER}: the bundled encoders are missing: {error}; install arms again") from error
    for name, expected in sums.items():
        if name.startswith(f"{modality}/"):
            _check(_FOLDER / name, expected)
    return _FOLDER / modality


def _check(file: Path, expected: str) -> None:
    got = hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else "no such file"
    if got != expected:
        raise ArmsError(
            f"{file}: expected sha256 {expected}, got {got}; the installation is damaged: install arms again"
        )

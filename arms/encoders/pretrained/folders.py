"""The folder that a model is loaded from, in the layout of its library, with its files checked.

A library never asks the hub itself: what is to be downloaded is downloaded here, at a pinned commit, and without any
file that a library would run.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

from arms.encoders.bundled import BUNDLED, bundled_folder
from arms.encoders.natural import NATURAL, natural_folder
from arms.encoders.origins import HF_HUB, LOCAL_DIR, HubName, check_known, hub, is_path, know_path
from arms.errors import ArmsError

OWN_CODE = "ARMS runs no code that comes with a model"
_WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".npz")
_SIDE_FILES = ("*.json", "*.txt", "*.model", "*.jinja")  # configurations, vocabularies and templates of a chat
_AT_ONCE = 2**20


def model_folder(model: str, sha256: Mapping[str, str] | None, what: str, *, download: bool) -> Path:
    """The folder of a model, all of it on this machine.

    Parameters
    ----------
    model : str
        bundled, natural, a folder, or a name on the hub with its commit; hf-hub: or local-dir: may stand before it.
    sha256 : mapping of str to str, optional
        By file. A model that settings take from the hub needs that of each file with weights.
    what : str
        The encoder, for messages, such as "text encoder".

    Raises
    ------
    ArmsError
        If the model cannot be had, or a file is not what was pinned.
    """
    if model in (BUNDLED, NATURAL):
        modality = what.partition(" ")[0]
        return bundled_folder(modality) if model == BUNDLED else natural_folder(modality)
    place = model.removeprefix(HF_HUB).removeprefix(LOCAL_DIR)
    if not model.startswith(HF_HUB) and (is_path(place) or model.startswith(LOCAL_DIR)):
        settle(place, what, download)
        folder = Path(place).expanduser()
    else:
        folder = _from_hub(HubName.of(place), sha256, what, download)
    check_files(folder, sha256, f"{what} {model!r}")
    return folder


def _from_hub(named: HubName, sha256: Mapping[str, str] | None, what: str, download: bool) -> Path:
    if download:
        named.check_pinned(what)
        check_hashes(sha256, f"{what} {named.name!r}")
    wanted = [*_SIDE_FILES, *(sha256 or [f"*{ending}" for ending in _WEIGHTS])]
    try:
        with hub(reachable=download):
            place = snapshot_download(
                named.name, revision=named.commit, allow_patterns=wanted, local_files_only=not download
            )
    except LocalEntryNotFoundError as error:
        raise named.absence(what, download=download) from error
    except (OSError, HfHubHTTPError, HFValidationError) as error:
        raise ArmsError(
            f"{what} {named.name!r} could not be loaded: {error}\n"
            "Name a model on the Hugging Face hub, which is downloaded once, or a folder in the hub's layout."
        ) from error
    return Path(place)


def settle(path: str, what: str, download: bool) -> None:
    """A path that settings name is known from now on; one that a router names has to be."""
    if download:
        know_path(path)
    else:
        check_known(path, what)


def check_hashes(sha256: Mapping[str, str] | None, what: str) -> None:
    """Raise an ArmsError if a model that is to be downloaded comes without hashes."""
    if not sha256:
        raise ArmsError(
            f"{what}: expected the sha256 of its weights beside its name; the page of the file on the hub shows it"
        )


def check_files(folder: Path, sha256: Mapping[str, str] | None, what: str) -> None:
    """Compare files with their pinned hashes.

    Raises
    ------
    ArmsError
        If one differs or is missing, or weights that a library would load are not among them.
    """
    for name, expected in (sha256 or {}).items():
        file = folder / name
        got = hash_file(file) if file.is_file() else "no such file"
        if got != expected:
            raise ArmsError(
                f"{what}: expected {name} with sha256 {expected}, got {got} in {folder}; if you meant another one, "
                "correct sha256 in the settings, else remove the file, so that it is downloaded anew"
            )
    if sha256 and not any(name.endswith(".safetensors") for name in sha256):
        # Every library prefers them.
        _refuse_others(folder.glob("*.safetensors"), sha256, what)
    for index in folder.glob("*.safetensors.index.json") if sha256 else ():
        shards = json.loads(index.read_text(encoding="utf-8")).get("weight_map", {}).values()
        _refuse_others((folder / shard for shard in set(shards)), sha256 or {}, what)


def _refuse_others(files: Iterator[Path], sha256: Mapping[str, str], what: str) -> None:
    if others := sorted(file.name for file in files if file.name not in sha256):
        raise ArmsError(f"{what}: expected sha256 of {', '.join(others)} too, which would be loaded")


def hash_file(file: Path) -> str:
    """Sha256 of a file's bytes, read in pieces."""
    digest = hashlib.sha256()
    with file.open("rb") as content:
        while piece := content.read(_AT_ONCE):
            digest.update(piece)
    return digest.hexdigest()


def read_json(file: Path) -> dict[str, Any]:
    """A JSON object; an empty one where there is no such file."""
    try:
        content = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    except (OSError, ValueError) as error:
        raise ArmsError(f"{file}: expected JSON, could not read it: {error}") from error
    return content if isinstance(content, dict) else {"": content}


def digest_of(content: Any) -> str:
    """Sha256 of JSON, whatever the order of its keys: what weights do not show, such as the number of heads."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@contextmanager
def naming(what: str, model: str) -> Iterator[None]:
    """Name the model in the errors that libraries raise for what cannot be loaded."""
    try:
        yield
    except ArmsError:
        raise
    except Exception as error:  # a library that reads somebody's file raises errors of many types
        raise ArmsError(f"{what} {model!r} could not be loaded: {error}\n{OWN_CODE}.") from error

"""Where the weights of encoders may come from.

Settings name an encoder by a name on the hub, or by a path on this machine. A saved router names it too, but a router
may come from anybody: so it can only name what this installation knows. These are paths that settings name, and what
the hub's cache on this machine has. Nothing is downloaded to load a router.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import constants

from arms.errors import ArmsError
from arms.params.encoders import EncodersParams, ServerParams, TextEncoderParams, read_encoders_params

LOCAL_DIR = "local-dir:"  # before the path of a folder in open_clip's layout
HF_HUB = "hf-hub:"  # before the name of an open_clip model on the hub
OPEN_CLIP_CONFIG = "open_clip_config.json"
OPEN_CLIP_WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
URL_CACHE = "~/.cache/clip"  # where open_clip puts what does not come from the hub

_COMMIT = re.compile(r"[0-9a-f]{40}")
_known: set[str] = set()  # real paths that settings named in this process
_servers: list[tuple[TextEncoderParams, ServerParams]] = []  # that settings named in this process
_projects: set[Path] = set()  # folders whose conf/encoders names more


@dataclass(frozen=True, slots=True)
class HubName:
    """A name on the hub, with the commit it is pinned to; None if it is not pinned."""

    name: str
    commit: str | None

    @classmethod
    def of(cls, text: str) -> "HubName":
        """Read a name such as distilbert-base-uncased@12040accade4e8a0f71eabdb258fecc2e7e948be."""
        name, _, commit = text.rpartition("@")
        return cls(name, commit) if name and _COMMIT.fullmatch(commit) else cls(text, None)

    @property
    def pin_advice(self) -> str:
        """What to do where it names no commit."""
        return (
            f"expected a pinned commit, as in {self.name}@COMMIT with the 40 digits that the model's page on the hub "
            "shows under History; a folder on this machine needs none"
        )

    def check_pinned(self, what: str) -> None:
        """Raise an ArmsError if it names no commit: what is downloaded could be another thing every day."""
        if self.commit is None:
            raise ArmsError(f"{what} {self.name!r}: {self.pin_advice}")

    def absence(self, what: str, *, download: bool = False) -> ArmsError:
        """The error where this machine has not got it, and the hub is not asked or cannot be reached."""
        pinned = "" if self.commit is None else f" --revision {self.commit}"
        if download:
            return ArmsError(
                f"{what} {self.name!r} is not on this machine, and the hub cannot be reached; where it can, run: "
                f"hf download {self.name}{pinned}"
            )
        return ArmsError(
            f"{what} {self.name!r} is not on this machine, and loading a router asks no hub; if you trust that model, "
            f"download it first: hf download {self.name}{pinned}"
        )


def is_path(text: str) -> bool:
    """Whether settings mean a path on this machine, and not a name on a hub."""
    return text.startswith((".", "~")) or os.path.isabs(text) or os.path.lexists(text)


def know_path(path: str) -> None:
    """Let routers name this path from now on."""
    _known.add(os.path.realpath(path))


def know_settings(root: Path = Path()) -> None:
    """Let routers name the paths that the settings in conf/encoders name, of the project in `root`."""
    _projects.add(root)


def check_known(path: str, what: str) -> None:
    """Raise an ArmsError that names the path if no settings do."""
    named = {os.path.realpath(other) for root in _projects for other in _paths_in(root)}
    if os.path.realpath(path) not in _known | named:
        raise ArmsError(
            f"{what} {path!r}: the router names a path that the settings of this installation do not; if you trust it, "
            "name it in a file under conf/encoders, or train the router anew"
        )


def trusted_server(text: TextEncoderParams, server: ServerParams, *, download: bool) -> ServerParams:
    """The server to ask for a text model: that of the settings; for a saved router, theirs for the same model.

    A router of a stranger could have questions sent to any address, and with them the value of any environment variable
    as the key. So where a router names a server, the settings of this installation say which one is asked.

    Raises
    ------
    ArmsError
        If they name none for that model.
    """
    if download:
        _servers.append((text, server))
        return server
    named = [(of.text, of.server) for root in _projects for of in _settings_in(root) if of.server is not None]
    for known, its_server in reversed([*_servers, *named]):
        if _same_model(known, text):
            return its_server
    raise ArmsError(
        f"text encoder {text.model!r}: the router would send questions to {server.url}, with the key in "
        f"{server.key_env or 'no variable'}; the settings of this installation name no server for that model (with the "
        "router's text.dimensions and text.probe); if you trust it, name it in a file under conf/encoders: the "
        "router's own settings are under `encoders` in its router.json"
    )


def _same_model(one: TextEncoderParams, other: TextEncoderParams) -> bool:
    """Whether two settings name the same model of a server, by what it answers to the probe."""
    probes = [None if of.probe is None else (of.probe.text, of.probe.vector) for of in (one, other)]
    return (one.model, one.dimensions, probes[0]) == (other.model, other.dimensions, probes[1])


@contextmanager
def hub(*, reachable: bool) -> Iterator[None]:
    """Inside, no library asks the hub unless it is to be reachable."""
    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or not reachable
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _paths_in(root: Path) -> Iterator[str]:
    for params in _settings_in(root):
        yield from _paths_of(params)


def _settings_in(root: Path) -> Iterator[EncodersParams]:
    for file in sorted((root / "conf" / "encoders").glob("*.yaml")):
        try:
            yield read_encoders_params(file.stem, root)
        except ArmsError:  # of a pair that is not used; a run that uses it says what is wrong
            continue


def _paths_of(params: EncodersParams) -> list[str]:
    models = [(section.model or "").removeprefix(LOCAL_DIR) for section in (params.image, params.text)]
    joint = params.pair and params.pair.model
    named = (*models, params.image.pretrained, params.text.pretrained, joint)
    return [text for text in named if text and is_path(text)]

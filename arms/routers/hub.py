"""Routers on the Hugging Face Hub: downloaded at a pinned revision, uploaded with their card."""

import re
import shutil
from abc import ABC, abstractmethod
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol, Self

from huggingface_hub import HfApi, ModelCard, snapshot_download
from huggingface_hub.errors import HFValidationError

from arms.data.storage.urls import is_url
from arms.errors import ArmsError
from arms.routers.card import CARD, Known, Metrics, model_card

_COMMIT = re.compile(r"[0-9a-f]{40}")
_FILES = ["*.json", "*.safetensors", CARD]  # all that a router consists of; anything else is not downloaded


class Saves(Known, Protocol):
    """A router that can be saved to a folder."""

    def save(self, path: str | Path) -> None:
        """Write it whole."""


class Portable(ABC):
    """Takes a router from a folder or the hub, and brings it there with its card; `arms.Router` is one."""

    router: Saves

    @classmethod
    @abstractmethod
    def load(cls, path: str | Path, *, device: str = "auto") -> Self:
        """Take the router that was saved to a folder."""

    @classmethod
    def from_pretrained(cls, name: str | Path, *, revision: str | None = None, device: str = "auto") -> Self:
        """Route with a router in a folder or at a URL, or with one on the Hugging Face Hub.

        Parameters
        ----------
        name : str or Path
            A folder that is there, a URL such as s3://bucket/router, or a name on the hub, as in owner/name.
        revision : str, optional
            For the hub: the commit to take, 40 hexadecimal digits.

        Raises
        ------
        ArmsError
            If there is no such router, the revision is not a commit, or as `load_router` raises.
        """
        here = Path(name).is_dir() or is_url(name)
        return cls.load(name if here else download(str(name), revision), device=device)

    def card(self, name: str, *, metrics: Metrics | None = None, commit: str | None = None) -> ModelCard:
        """The model card: the pool, the dataset, and how good it was; see `arms.routers.card.model_card`."""
        return model_card(self.router, name, metrics=metrics, commit=commit)

    def save_pretrained(self, folder: str | Path, *, card: ModelCard | None = None) -> None:
        """Write the router with its card, README.md, into a folder that holds all it needs; what else is there stays.

        Parameters
        ----------
        card : ModelCard, optional
            One with metrics, from `card`; by default one without.
        """
        card = card or self.card(Path(folder).name)
        with TemporaryDirectory() as temporary:
            draft = Path(temporary) / "router"
            self.router.save(draft)
            (draft / CARD).write_text(str(card), encoding="utf-8")
            shutil.copytree(draft, folder, dirs_exist_ok=True)

    def push_to_hub(
        self, name: str, *, private: bool | None = None, card: ModelCard | None = None, message: str = "A router"
    ) -> str:
        """Upload the router with its card to the Hugging Face Hub, where you are logged in.

        Returns
        -------
        str
            The commit, which `from_pretrained` takes as the revision.

        Raises
        ------
        ArmsError
            If the hub does not take it.
        """
        api = HfApi(library_name="arms")
        with TemporaryDirectory() as folder:
            self.save_pretrained(folder, card=card or self.card(name))
            try:
                api.create_repo(name, private=private, exist_ok=True)
                return api.upload_folder(repo_id=name, folder_path=folder, commit_message=message).oid
            except (HFValidationError, OSError) as error:
                raise ArmsError(f"{name}: the hub did not take the router: {error}") from error


def download(repository: str, revision: str | None) -> Path:
    """The folder of a router that is on the hub, downloaded once.

    Parameters
    ----------
    repository : str
        As in owner/name.
    revision : str or None
        The commit, 40 hexadecimal digits. A branch or a tag can be moved to other weights, so none is taken.

    Raises
    ------
    ArmsError
        If the revision is not a commit, or the hub does not have or give it.
    """
    if revision is None or not _COMMIT.fullmatch(revision):
        raise ArmsError(
            f"{repository}: expected a folder here, or with a name on the hub the revision to take: a commit of 40 "
            f"hexadecimal digits, got {revision!r}; its page on the hub lists the commits"
        )
    try:  # the hub's own errors are OSErrors
        return Path(snapshot_download(repository, revision=revision, allow_patterns=_FILES))
    except (HFValidationError, OSError) as error:
        raise ArmsError(f"{repository} at {revision}: the hub did not give it: {error}") from error

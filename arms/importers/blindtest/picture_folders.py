"""Where BlindTest keeps outcomes: a picture's folders tell task, prompt and VLM, and whether it was right."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from arms.importers.blindtest.prompts import squash
from arms.importers.set_aside import SetAside
from arms.importers.texts import encodable

PROMPTS_FILE = "prompts.md"

VLMS = ("gpt-4o", "gemini-1.5-pro", "claude-3-sonnet", "claude-3.5-sonnet")

# How folders call the VLMs, squashed.
_VLM_OF = {
    "gpt4o": "gpt-4o",
    "gemini15": "gemini-1.5-pro",
    "gemini15pro": "gemini-1.5-pro",
    "sonnet": "claude-3-sonnet",
    "sonnet3": "claude-3-sonnet",
    "claude3": "claude-3-sonnet",
    "sonnet35": "claude-3.5-sonnet",
    "claude35": "claude-3.5-sonnet",
}
_CORRECT = {"correct": True, "incorrect": False}
_PICTURES = (".png", ".jpg", ".jpeg")

# Before a picture's own name: the VLM and the prompt, as some tasks add them.
_PREFIX = re.compile(
    r"^(?:gpt|gemini|claude_3_5|claude|calude|sonnet-3-5|sonnet3-5|sonnet)[-_](?:(?:count|how|touch|overlap)[-_])?"
)


class Picture(NamedTuple):
    """A file: one outcome.

    Attributes
    ----------
    path : Path
    task : str
        The folder in src.
    folders : tuple of str
        Those that are not of a VLM, between `images` and the outcome.
    vlm : str
        One of `VLMS`.
    correct : bool
    name : str
        The file's name without what tells VLM and prompt: the same for all VLMs.
    """

    path: Path
    task: str
    folders: tuple[str, ...]
    vlm: str
    correct: bool
    name: str


def find_tasks(root: Path) -> list[Path]:
    """The tasks' folders of images, in the folder src of a clone, in the order of their names."""
    found = [folder / "images" for folder in root.iterdir() if not folder.is_symlink()]
    return sorted(images for images in found if images.is_dir() and not images.is_symlink())


def read_pictures(images: Path, aside: SetAside) -> Iterator[list[Picture]]:
    """The pictures of a task, folder by folder, without following links.

    Files that lie in no folder of outcomes are examples, and left out.

    Parameters
    ----------
    images : Path
        One of `find_tasks`.
    aside : SetAside
        Receives folders of outcomes without a known VLM, and files in them that are not pictures.
    """
    task = encodable(images.parent.name)
    for folder, below, files in os.walk(images):
        below.sort()
        correct = _CORRECT.get(os.path.basename(folder).lower())
        names = sorted(name for name in files if not name.startswith("."))
        if correct is None or not names:
            continue
        parts = Path(folder).relative_to(images).parts[:-1]
        vlms = [vlm for part in parts if (vlm := _VLM_OF.get(squash(part)))]
        if len(vlms) != 1:
            number = "no" if not vlms else "more than one"
            known = ", ".join(_VLM_OF)
            aside.add(f"folder of {number} known VLM", folder, f"known: {known}", count=len(names))
            continue
        folders = tuple(encodable(part) for part in parts if squash(part) not in _VLM_OF)
        pictures = []
        for name in names:
            path = Path(folder, name)
            if path.suffix.lower() in _PICTURES and not path.is_symlink():
                own_name = _PREFIX.sub("", encodable(path.stem))
                pictures.append(Picture(path, task, folders, vlms[0], correct, own_name))
            else:
                aside.add("file that is not a picture", str(path), "remove it, or put the picture itself in its place")
        if pictures:
            yield pictures

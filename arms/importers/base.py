"""What an importer is: it reads one log format into outcome tables; all else is the same for every format."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from arms.data.profiles import VlmProfile
from arms.errors import ArmsError
from arms.importers.image_intake import ImageIntake
from arms.importers.set_aside import SetAside
from arms.traffic.places import shown_place


def setting(help: str, default: Any = None, *, metavar: str | None = None) -> Any:
    """A setting of an importer, a field of its class; on the command line a flag with this help.

    The field's type says what the flag takes: text, a number, a path, a `Literal` of several words, `bool` for a
    switch, or a tuple for a flag that may be repeated.
    """
    return field(default=default, metadata={"help": help, "metavar": metavar})


@dataclass(frozen=True, eq=False)
class Intake:
    """What an importer hands things to while it reads.

    Attributes
    ----------
    images : ImageIntake
        Takes in images that come with the log itself, and gives their references.
    aside : SetAside
        Receives every part of the log that cannot be used.
    no_images : bool
        No image is wanted: a query without one is not set aside, and none need be looked for.
    """

    images: ImageIntake
    aside: SetAside
    no_images: bool = False


@dataclass(frozen=True, eq=False)
class Log:
    """What was read of a log. Rows need not be clean: `arms.data.validation` sets aside what cannot be used.

    Attributes
    ----------
    queries : DataFrame
        The columns of `arms.data.tables.QUERIES`; in `images` references (see `ImageIntake`), an empty list where none
        was sent, null where that is not known. There may be `image` instead, with one reference a query.
    outcomes : DataFrame
        The columns of `arms.data.tables.OUTCOMES`; a null `correct` is an outcome without a verdict. See
        `arms.importers.verdicts` for grades.
    vlms : tuple of str
        The VLMs as the log calls them, in the order to keep.
    verdicts : tuple of str
        What counts as correct, a sentence for each metric.
    profiles : tuple of VlmProfile
        Those that come with the log itself, if any.
    probabilities : DataFrame or None
        Only of simulated logs.
    """

    queries: pd.DataFrame
    outcomes: pd.DataFrame
    vlms: tuple[str, ...]
    verdicts: tuple[str, ...] = ()
    profiles: tuple[VlmProfile, ...] = ()
    probabilities: pd.DataFrame | None = None


@dataclass(frozen=True, kw_only=True)
class Importer(ABC):
    """Reads one log format; its fields, made by `setting`, are its settings.

    Attributes
    ----------
    summary : str
        A line that says what the sources are.
    description : str
        What one should know before importing such a log: what is read, and how it is joined.
    example : str
        A command line.
    keep_image_names : bool
        Keep image files under their recorded paths, which are then relative to the root.
    """

    summary: ClassVar[str]
    description: ClassVar[str] = ""
    example: ClassVar[str]
    keep_image_names: ClassVar[bool] = False

    @abstractmethod
    def read(self, sources: Sequence[Path], intake: Intake) -> Log:
        """Read a log.

        Parameters
        ----------
        sources : sequence of Path
            Files or folders that exist, one or more.
        intake : Intake

        Returns
        -------
        Log

        Raises
        ------
        ArmsError
            If the sources are not in this format, or nothing in them can be used; a part that cannot is set aside.
        """

    def read_urls(self, urls: Sequence[str], intake: Intake) -> Log:
        """Read a log that is reached by URLs; most formats are files, and refuse."""
        raise ArmsError(f"{shown_place(urls[0])}: expected files or folders, got a URL; download it first")

    def image_roots(self, sources: Sequence[Path]) -> tuple[Path, ...]:
        """The folders in which images are looked for if none are named: those of the sources."""
        return tuple(dict.fromkeys(source if source.is_dir() else source.parent for source in sources))

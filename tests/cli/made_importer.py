"""An importer with a setting of every kind, for the flags that are made from them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, Optional

import pandas as pd

from arms.importers.base import Importer, Intake, Log, setting


@dataclass(frozen=True, kw_only=True)
class MadeImporter(Importer):
    """Reads a text file with the name of an image: one query, that every VLM named in `answers` gets right."""

    summary: ClassVar[str] = "A text file."
    description: ClassVar[str] = "It names an image."
    example: ClassVar[str] = "arms import made notes.txt --some-text high --word b"

    some_text: str = setting("A text.", "low")
    number: float | None = setting("A number.", metavar="SHARE")
    whole: int = setting("A whole number.", 3)
    old_style: Optional[int] = setting("Another one.")  # noqa: UP045
    place: Path | None = setting("A path.")  # noqa: RUF009
    word: Literal["a", "b"] = setting("One of two words.", "a")
    switch: bool = setting("A switch.", False)
    answers: tuple[str, ...] = setting("A VLM.", ("solo",))
    levels: tuple[int, ...] = setting("A level.", ())

    def read(self, sources: Sequence[Path], intake: Intake) -> Log:
        image = sources[0].read_text().strip()
        query = ("q", "dots", "count", "en", "How many?", image, None)
        columns = ["query_id", "benchmark", "task", "language", "question", "image", "answer"]
        outcomes = pd.DataFrame({"query_id": "q", "vlm": list(self.answers), "correct": True})
        return Log(pd.DataFrame([query], columns=columns), outcomes, self.answers)


@dataclass(frozen=True, kw_only=True)
class ClashingImporter(MadeImporter):
    """Has a setting whose flag all importers have."""

    images: Path | None = setting("A folder.")  # noqa: RUF009

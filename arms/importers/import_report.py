"""What became of a log: how much was kept, what was set aside, and what counted as correct."""

from dataclasses import dataclass
from typing import Any

from arms.data.validation_report import Report


@dataclass(frozen=True)
class ImportReport:
    """What became of a log.

    Attributes
    ----------
    format : str
        The importer's class.
    sources : tuple of str
    settings : dict
        The importer's.
    verdicts : tuple of str
        What counted as correct.
    images_found, images_lost : int
        How many of the references in the log led to an image, and how many did not.
    no_images : bool
        None was wanted, and every query is its question only.
    rows_set_aside : int
        Rows of the log that never became queries or outcomes.
    report : Report
        Of validation, with what the importer set aside among its findings.
    """

    format: str
    sources: tuple[str, ...]
    settings: dict[str, Any]
    verdicts: tuple[str, ...]
    images_found: int
    images_lost: int
    no_images: bool
    rows_set_aside: int
    report: Report

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON-able data."""
        found = {"found": self.images_found, "not_found": self.images_lost}
        return {
            "format": self.format,
            "sources": list(self.sources),
            "settings": self.settings,
            "correct": list(self.verdicts),
            "images": {"left_out": True} if self.no_images else found,
            "rows_set_aside": self.rows_set_aside,
            **self.report.to_dict(),
        }

    def text(self) -> str:
        """The report as lines to read."""
        lines = [
            "images: left out, as --no-images asks: every query is its question only, whatever the VLMs were shown"
            if self.no_images
            else f"images: {self.images_found:,} found, {self.images_lost:,} not",
            f"rows of the log set aside: {self.rows_set_aside:,}",
        ]
        if self.verdicts:
            lines.append(f"correct: {', '.join(self.verdicts)}")
        return "\n".join([*lines, self.report.text()])

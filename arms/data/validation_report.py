"""What validation kept and what it set aside, to read and for programs."""

from dataclasses import asdict, dataclass
from typing import Any

_SHOWN_LENGTH = 60  # of a text in `Report.text`, characters


@dataclass(frozen=True)
class Finding:
    """One kind of problem in one table."""

    kind: str
    table: str  # queries, outcomes or vlms; source: the log that an importer read
    count: int  # rows
    rows: tuple[dict[str, Any], ...]  # the first of them
    advice: str
    set_aside: bool = True  # False: a note, the rows were kept


@dataclass(frozen=True)
class Report:
    """What validation kept and what it set aside."""

    queries_kept: int
    queries_set_aside: int
    outcomes_kept: int
    outcomes_set_aside: int
    distinct_images: int  # by content, among the queries kept
    outcomes_per_vlm: dict[str, int]
    findings: tuple[Finding, ...]

    @property
    def share_missing(self) -> dict[str, float]:
        """Per VLM, the share of the queries kept for which it has no outcome."""
        return {vlm: 1 - count / max(self.queries_kept, 1) for vlm, count in self.outcomes_per_vlm.items()}

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON-able data."""
        missing = self.share_missing
        return {
            "queries": {"kept": self.queries_kept, "set_aside": self.queries_set_aside},
            "outcomes": {"kept": self.outcomes_kept, "set_aside": self.outcomes_set_aside},
            "distinct_images": self.distinct_images,
            "vlms": {
                vlm: {"outcomes": count, "share_missing": missing[vlm]} for vlm, count in self.outcomes_per_vlm.items()
            },
            "findings": [{**asdict(finding), "rows": list(finding.rows)} for finding in self.findings],
        }

    def text(self) -> str:
        """The report as lines to read."""
        lines = [
            f"queries: {self.queries_kept:,} kept, {self.queries_set_aside:,} set aside",
            f"outcomes: {self.outcomes_kept:,} kept, {self.outcomes_set_aside:,} set aside",
            f"distinct images: {self.distinct_images:,}",
        ]
        for vlm, share in self.share_missing.items():
            lines.append(f"VLM {vlm}: {self.outcomes_per_vlm[vlm]:,} outcomes, {share:.1%} of the queries missing")
        for finding in self.findings:
            done = "set aside" if finding.set_aside else "noted"
            lines.append(f"{finding.table}: {finding.count:,} {done}: {finding.kind}; {finding.advice}")
            lines.extend(f"    {_shown(row)}" for row in finding.rows)
        return "\n".join(lines)


def _shown(row: dict[str, Any]) -> str:
    """A row on one line, long texts cut (the report as data holds them whole)."""
    cells = {key: value for key, value in row.items() if value is not None}
    shown = {
        k: f"{v[:_SHOWN_LENGTH]}..." if isinstance(v, str) and len(v) > _SHOWN_LENGTH else v for k, v in cells.items()
    }
    return ", ".join(f"{key}={value!r}" for key, value in shown.items())

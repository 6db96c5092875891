"""Small CSV logs of three VLMs on six queries, one outcome missing: two files, a row per outcome, a row per query."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

VLMS = ("gpt-4o", "phi-4", "llava-7b")
QUESTIONS = ('Which "shape", of all?', "How many\nlines are there?", "NA", "=1+1", "Était-ce là ?", "Red, or blue?")
ANSWERS = ("star", "3", "NA", "2", "oui", "")

# What each VLM got right, in the order of the queries; the last VLM has no outcome for the last one.
RIGHT = {"gpt-4o": "111101", "phi-4": "100110", "llava-7b": "00010"}


def write_log(folder: Path) -> tuple[Path, ...]:
    """Write a file of queries and one of outcomes; the sources to import them from."""
    write_images(folder)
    return (
        write_rows(folder / "queries.csv", queries()),
        write_rows(folder / "outcomes.csv", outcomes()),
    )


def write_long(folder: Path) -> Path:
    """Write one file with a row for each outcome, which describes its query too."""
    write_images(folder)
    described = {row["query_id"]: row for row in queries()}
    return write_rows(folder / "long.csv", [{**described[row["query_id"]], **row} for row in outcomes()])


def write_wide(folder: Path) -> Path:
    """Write one file with a row for each query, and a column of verdicts for each VLM, such as `gpt-4o ok`."""
    write_images(folder)
    verdicts = {f"{vlm} ok": list(right.ljust(6)) for vlm, right in RIGHT.items()}
    rows = [{**row, **{name: cells[i].strip() for name, cells in verdicts.items()}} for i, row in enumerate(queries())]
    return write_rows(folder / "wide.csv", rows)


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]], **dialect: Any) -> Path:
    """Write rows that all have the columns of the first."""
    rows = list(rows)
    return write_cells(path, [list(rows[0]), *(list(row.values()) for row in rows)], **dialect)


def write_cells(path: Path, rows: Iterable[Sequence[Any]], *, encoding: str = "utf-8", **dialect: Any) -> Path:
    """Write a header and rows as they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding=encoding, newline="") as stream:
        csv.writer(stream, **dialect).writerows(rows)
    return path


def write_images(folder: Path) -> None:
    """An image of its own for each query."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for number in range(6):
        Image.new("RGB", (8, 8), (40 * number, 128, 0)).save(folder / f"images/{number}.png")


def queries() -> list[dict[str, Any]]:
    """The rows of the queries."""
    return [
        {
            "query_id": f"q{number}",
            "benchmark": "shapes" if number < 3 else "colours",
            "task": f"task {number % 2}",
            "language": "fr" if number == 4 else "en",
            "question": question,
            "image": f"images/{number}.png",
            "answer": answer,
        }
        for number, (question, answer) in enumerate(zip(QUESTIONS, ANSWERS, strict=True))
    ]


def outcomes() -> list[dict[str, Any]]:
    """The rows of the outcomes, query by query."""
    return [
        {
            "query_id": f"q{number}",
            "vlm": vlm,
            "correct": {"1": "True", "0": "False"}[RIGHT[vlm][number]],
            "output": f"=answer {number}" if vlm == "gpt-4o" else "",
            "cost_usd": f"{number / 1000}" if vlm == "gpt-4o" else "",
            "latency_s": f"{number + 0.5}",
        }
        for number in range(6)
        for vlm in VLMS
        if number < len(RIGHT[vlm])
    ]

"""A small log of VLMEvalKit to the letter of its format, and what it is made of."""

import base64
import csv
import json
from collections.abc import Iterable, Mapping
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

from openpyxl import Workbook
from PIL import Image

RUN = "T20250301-120000"
BENCHMARK = "MMStar"
FAILED = "Failed to obtain answer via API."

# What each VLM answered, and whether that was right, by index; gpt-4o was never asked the last question.
ANSWERS = {
    "Qwen2-VL-7B": (("A", 1), ("C", 0), ("The answer is B", 1), ("D", 0), ("a cat", 1), ("B", 0)),
    "InternVL2-8B": (("B", 0), ("C", 0), ("B", 1), ("A", 1), ("B", 1), ("A", 1)),
    "gpt-4o": (("A", 1), ("B", 1), ("B", 1), ("A", 1), ("B", 1)),
}
RIGHT = ("A", "B", "B", "A", "B", "A")


@cache
def image(number: int, side: int = 12) -> str:
    """A PNG as base64, another one for each number; longer than the 64 characters of a reference."""
    content = BytesIO()
    Image.new("RGB", (side, side), (number % 256, number // 256, 90)).save(content, "PNG")
    return base64.b64encode(content.getvalue()).decode()


def question(number: int, **more: Any) -> dict[str, Any]:
    """A row of a benchmark of multiple choice, without its image."""
    row = {
        "index": number,
        "question": f"What is in picture {number}?",
        "A": "a dog",
        "B": "a cat",
        "answer": RIGHT[number % 6],
        "category": "coarse" if number % 2 else "fine",
        "l2-category": "perception",
    }
    return {**row, **more}


def hit(number: int, verdict: Any = 1, **more: Any) -> dict[str, Any]:
    """A row of an evaluated multiple choice."""
    return {**question(number), "prediction": RIGHT[number % 6], "hit": verdict, "log": "Match Log: .", **more}


def write_sheet(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """An .xlsx as pandas writes it: one sheet, a header, a row each."""
    rows = list(rows)
    book = Workbook(write_only=True)
    sheet = book.create_sheet("Sheet1")
    columns = list(dict.fromkeys(column for row in rows for column in row))
    sheet.append(columns)
    for row in rows:
        sheet.append([row.get(column) for column in columns])
    path.parent.mkdir(parents=True, exist_ok=True)
    book.save(path)
    return path


def write_tsv(path: Path, rows: Iterable[Mapping[str, Any]], quoting: int = csv.QUOTE_ALL) -> Path:
    """A .tsv as pandas writes it."""
    rows = list(rows)
    columns = list(dict.fromkeys(column for row in rows for column in row))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns, delimiter="\t", quoting=quoting, lineterminator="\n")  # type: ignore[arg-type]
        writer.writeheader()
        writer.writerows({**row} for row in rows)
    return path


def write_json(path: Path, content: Any) -> Path:
    """A .json as VLMEvalKit writes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=4, ensure_ascii=False), encoding="utf-8")
    return path


def write_table(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """A table in the format of its ending."""
    writers = {".xlsx": write_sheet, ".tsv": write_tsv, ".json": lambda path, rows: write_json(path, list(rows))}
    return writers[path.suffix](path, rows)


def write_log(folder: Path) -> tuple[Path, ...]:
    """Write three VLMs' runs of a benchmark of six questions, each VLM in another of the formats, and the TSV."""
    for (vlm, answers), ending in zip(ANSWERS.items(), ("xlsx", "tsv", "json"), strict=True):
        run = folder / "outputs" / vlm / RUN
        predicted = [question(number, prediction=text) for number, (text, _) in enumerate(answers)]
        write_table(run / f"{vlm}_{BENCHMARK}.{ending}", predicted)
        verdicts = [
            {**row, "hit": hit, "log": "Match Log: ."} for row, (_, hit) in zip(predicted, answers, strict=True)
        ]
        write_table(run / f"{vlm}_{BENCHMARK}_openai_result.{ending}", verdicts)
        (run / f"{vlm}_{BENCHMARK}_acc.csv").write_text('"split","Overall"\n"none","0.5"\n', encoding="utf-8")
        write_json(run / "status.json", {"datasets": {BENCHMARK: {"judge_model": "chatgpt-0125"}}})
    rows = [question(number, image=image(number) if number != 3 else "2") for number in range(6)]
    write_tsv(folder / "LMUData" / f"{BENCHMARK}.tsv", rows, csv.QUOTE_MINIMAL)
    return folder / "outputs", folder / "LMUData"

"""A small set of M2 records, one for each query and VLM, in JSON Lines and in Parquet."""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

VLMS = ("gpt-4o", "Qwen2.5-VL-7B", "InternVL3-8B")  # the first is commercial: it has costs and latencies

# benchmark, image, question, ground truth, task, language, whether each VLM is right (None: no record)
FILES = (
    ("chartqa", "images/bars.png", "How many bars?", "4", "counting", "en", (True, True, False)),
    ("chartqa", "images/bars.png", "Which is highest?", "red", "comparing", "en", (True, False, False)),
    ("ocr", "images/sign.png", "Was steht auf dem Schild?", "Halt", "reading", "de", (True, True, True)),
    ("ocr", "images/sign.png", "标志上写着什么", "停", "reading", "zh", (False, False, None)),
)
EMBEDDED = (
    ("shapes", (200, 0, 0), "Which colour?", "red", "colours", "en", (True, False, True)),
    ("shapes", (0, 0, 200), "Which colour?", "blue", "colours", "en", (False, False, True)),
)


def write_log(folder: Path) -> tuple[Path, ...]:
    """Records with images in files, and records that hold their images as Hugging Face's datasets do."""
    source = folder / "m2"
    (source / "images").mkdir(parents=True)
    for number, name in enumerate(("bars", "sign")):
        (source / f"images/{name}.png").write_bytes(png((number, 60, 90)))
    write_lines(source / "data/files.jsonl", [one for query in FILES for one in records(*query)])
    embedded = [
        one | {"image": {"bytes": png(colour), "path": "shape.png"}}
        for benchmark, colour, *query in EMBEDDED
        for one in records(benchmark, "", *query)
    ]
    write_parquet(source / "data/test-00000-of-00001.parquet", embedded)
    return (source,)


def records(
    benchmark: str, image: str, question: str, truth: str, task: str, language: str, labels: Sequence[bool | None]
) -> list[dict[str, Any]]:
    """A query's records, one for each VLM that answered."""
    return [
        {
            "image": image,
            "question": question,
            "vlm": vlm,
            "output": truth if label else f"not {truth}",
            "language": language,
            "task": task,
            "benchmark": benchmark,
            "ground_truth": truth,
            "label": label,
            "cost": 0.00125 if vlm == "gpt-4o" else None,
            "latency": 1.5 if vlm == "gpt-4o" else None,
        }
        for vlm, label in zip(VLMS, labels, strict=True)
        if label is not None
    ]


def write_lines(path: Path, rows: Sequence[Any]) -> Path:
    """Rows as JSON Lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def write_parquet(path: Path, rows: Sequence[dict[str, Any]], **types: pa.DataType) -> Path:
    """Rows as Parquet, columns with the given types or those that Arrow finds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = {key: pa.array([row.get(key) for row in rows], types.get(key)) for key in rows[0]}
    pq.write_table(pa.table(columns), path)
    return path


def png(colour: tuple) -> bytes:
    """A tiny image of one colour."""
    stream = io.BytesIO()
    Image.new("RGB", (4, 4), colour).save(stream, "PNG")
    return stream.getvalue()

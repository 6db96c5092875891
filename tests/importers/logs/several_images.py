"""Logs of benchmarks whose questions have several images: MMMU's, BLINK's and MMT-Bench's, to the letter."""

import base64
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.importers.logs.lmms_eval import png, sample, write_results, write_run
from tests.importers.logs.vlmevalkit import RUN, write_sheet, write_tsv

VLMS = ("gpt-4o", "Qwen2-VL-7B", "InternVL2-8B")
# By benchmark: how many images each question has, in turn.
COUNTS = {"MMMU_DEV_VAL": (1, 2, 1, 5), "BLINK": (2, 1, 4), "MMT-Bench_VAL_MI": (3, 2)}
EACH = 20  # questions of a benchmark


def colour(benchmark: str, number: int, place: int) -> tuple[int, int, int]:
    """That of a question's image; no two are the same."""
    return (10 * number % 256, 40 * place, 80 * list(COUNTS).index(benchmark) + number // 25)


def pictures(benchmark: str, number: int) -> list[bytes]:
    """A question's images, in their order."""
    count = COUNTS[benchmark][number % len(COUNTS[benchmark])]
    return [png(colour(benchmark, number, place)) for place in range(count)]


def is_right(number: int, vlm: int) -> bool:
    """Whether a VLM answers a question correctly."""
    return (number + vlm) % 3 > 0


def _question(benchmark: str, number: int) -> str:
    """MMMU's questions have a numbered placeholder for each image; the others' have none."""
    if benchmark != "MMMU_DEV_VAL":
        return f"Which of the images is as in case {number}?"
    return " ".join(f"<image {place}>" for place in range(1, 1 + len(pictures(benchmark, number)))) + f" Case {number}?"


def write_vlmevalkit(folder: Path) -> tuple[Path, ...]:
    """A cell of several images is a Python list of base64 written out; of one it is base64 itself."""
    for benchmark in COUNTS:
        rows, results = [], []
        for number in range(EACH):
            images = [base64.b64encode(content).decode() for content in pictures(benchmark, number)]
            names = [f"{benchmark}_{number}_{place}.png" for place in range(len(images))]
            row = {"index": number, "question": _question(benchmark, number), "A": "first", "B": "second"}
            row |= {"answer": "A", "category": f"kind {number % 2}", "image_path": _cell(names)}
            rows.append({**row, "image": _cell(images)})
            results.append(row)
        write_tsv(folder / f"LMUData/{benchmark}.tsv", rows)
        for place, vlm in enumerate(VLMS):
            answered = [
                {
                    **row,
                    "prediction": "AB"[not is_right(row["index"], place)],
                    "hit": int(is_right(row["index"], place)),
                }
                for row in results
            ]
            write_sheet(folder / f"outputs/{vlm}/{RUN}/{vlm}_{benchmark}_openai_result.xlsx", answered)
    return folder / "outputs", folder / "LMUData"


def _cell(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else str(parts)


def write_lmms_eval(folder: Path) -> tuple[Path, ...]:
    """The log holds small images, four at most."""
    for place, vlm in enumerate(VLMS):
        for benchmark in COUNTS:
            rows = []
            for number in range(EACH):
                kept = pictures(benchmark, number)[:4]
                media = ["data:image/png;base64," + base64.b64encode(content).decode() for content in kept]
                right = is_right(number, place)
                row = sample(number, _question(benchmark, number), "A", "AB"[not right])
                rows.append({**row, "input_media": media, "exact_match": float(right)})
            write_run(folder / "logs", vlm, benchmark.lower(), rows)
        write_results(folder / "logs", vlm)
    return (folder / "logs",)


def write_blink(folder: Path) -> Path:
    """BLINK as Hugging Face keeps it, a column for each of four images, joined with the verdicts of three VLMs."""
    rows: list[dict[str, Any]] = []
    for number in range(EACH):
        own = [{"bytes": content, "path": None} for content in pictures("BLINK", number)]
        images = {f"image_{place + 1}": own[place] if place < len(own) else None for place in range(4)}
        for place, vlm in enumerate(VLMS):
            told = {"idx": f"val_{number}", "question": _question("BLINK", number), "sub_task": "Counting"}
            rows.append({**told, **images, "vlm": vlm, "correct": is_right(number, place)})
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), folder / "blink.parquet")
    return folder / "blink.parquet"

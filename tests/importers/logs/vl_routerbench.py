"""A small folder that VL-RouterBench's steps have built: six samples of two benchmarks by three VLMs."""

import base64
import csv
import json
from pathlib import Path
from typing import Any

import numpy as np

from tests.importers.logs.m2 import png, write_lines, write_parquet

VLMS = ("GPT4o", "Janus-Pro-1B", "Qwen2.5-VL-7B")  # sorted, as the arrays' columns are
SAMPLES = ("MMStar/0", "MMStar/1", "MMStar/2", "ChartQA_TEST/3", "ChartQA_TEST/4", "ChartQA_TEST/7")
Y = np.array([[1, 0, 1], [1, 0, 0], [0, 0, 1], [1, 1, 1], [0, 1, 0], [1, 0, 1]], dtype=np.int8)
C = np.array([[0.004, 0.0001, 0.0002]] * 6, dtype=np.float32) * np.arange(1, 7, dtype=np.float32)[:, None]
SPLITS = {"train": (0, 1, 3), "dev": (2,), "test": (4, 5)}


def write_log(folder: Path) -> tuple[Path, ...]:
    """Write the folder; the source to import it from."""
    root = folder / "VL-RouterBench"
    write_samples(root)
    registry, matrices = root / "data/registry", root / "data/matrices"
    write_arrays(matrices)
    write_parquet(registry / "meta.parquet", [meta(number) for number in range(6)])
    (registry / "models.txt").write_text("".join(f"{vlm}\n" for vlm in VLMS))
    (registry / "model_index.pkl").write_bytes(b"never loaded")
    for start in (0, 3):
        name = SAMPLES[start].partition("/")[0].lower()
        write_parquet(root / f"ORACLE/score/{name}.parquet", scores(range(start, start + 3)))
    return (root,)


def write_arrays(folder: Path) -> None:
    """Y and C."""
    folder.mkdir(parents=True)
    np.savez_compressed(folder / "Y.npz", Y=Y)
    np.save(folder / "C.npy", C)


def write_samples(root: Path) -> None:
    """The samples, their images (of MMStar in a TSV, of ChartQA in files) and the split."""
    write_lines(root / "BENCHMARKS/vqa_mc/mmstar_samples.jsonl", [sample(number) for number in range(3)])
    write_lines(root / "BENCHMARKS/ocr_qa/chartqa_test_samples.jsonl", [sample(number) for number in range(3, 6)])
    write_tsv(root / "vlm_router_data/TSV_images/MMStar.tsv", range(3), image=True)
    (root / "images").mkdir()
    for number in range(3, 6):
        (root / f"images/{number}.png").write_bytes(png((number, 60, 90)))
    for split, numbers in SPLITS.items():
        write_lines(root / f"SPLITS/{split}.jsonl", [{"sample_id": SAMPLES[number]} for number in numbers])


def write_tsv(path: Path, numbers: range, *, image: bool) -> None:
    """A benchmark's TSV; the second row shares the first one's image."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = ["index", "question", "A", "B", "answer", "category", *(["image"] if image else ["image_path"])]
    rows = []
    for number in numbers:
        index = SAMPLES[number].partition("/")[2]
        content = base64.b64encode(png((number, 60, 90))).decode()
        shared = number == numbers[1] and image
        last = (SAMPLES[numbers[0]].partition("/")[2] if shared else content) if image else f"images/{number}.png"
        rows.append([index, f"Which one, {number}?", "this", "that", "AB"[number % 2], f"kind {number % 2}", last])
    with path.open("w", newline="") as stream:
        csv.writer(stream, delimiter="\t").writerows([cells, *rows])


def sample(number: int) -> dict[str, Any]:
    """A record of BENCHMARKS."""
    name = SAMPLES[number]
    benchmark = name.partition("/")[0]
    place = {"tsv_file": "/root/LMUData/MMStar.tsv", "index": number, "description": f"row {number}"}
    in_tsv = benchmark == "MMStar"
    asset = {"type": "image_tsv", **place} if in_tsv else {"type": "image", "uri": f"images/{number}.png"}
    return {
        "sample_id": name,
        "dataset": benchmark,
        "task_type": "vqa_mc" if in_tsv else "ocr_qa",
        "modality": ["image", "text"],
        "prompt": f"Which one, {number}?",
        "assets": [asset],
    }


def meta(number: int) -> dict[str, str]:
    """A row of meta.parquet."""
    split = next(name for name, numbers in SPLITS.items() if number in numbers)
    record = sample(number)
    return {"sample_id": SAMPLES[number], "dataset": record["dataset"], "split": split, "task": record["task_type"]}


def scores(numbers: range) -> list[dict[str, Any]]:
    """The rows of a table of scores."""
    return [
        {"sample_id": SAMPLES[n], "model_id": vlm, "quality_raw": int(Y[n, column]), "quality": float(Y[n, column])}
        for n in numbers
        for column, vlm in enumerate(VLMS)
    ]


def write_json(path: Path, content: Any) -> Path:
    """A JSON document."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path

"""A small MMR_Bench.csv of three VLMs on six questions of two benchmarks, one outcome missing, beside its images."""

from pathlib import Path
from typing import Any

from tests.importers.logs.csv import RIGHT, VLMS, write_rows
from tests.importers.logs.m2 import png

IDS = ("MathVista_1", "MathVista_2", "MathVista_10", "SEEDBench2_Plus_0", "SEEDBench2_Plus_1", "SEEDBench2_Plus_2")
FILES = ("MathVista/1.jpg", "MathVista/2.png", "MathVista/10.jpg", *(f"SEEDBenchv2Plus/{n}.jpg" for n in range(3)))


def write_log(folder: Path) -> tuple[Path, ...]:
    """Write the table and the folders of images; the sources to import them from."""
    source = folder / "mmr"
    for number, name in enumerate(FILES):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(png((number, 60, 90)))
    return (write_rows(source / "MMR_Bench.csv", rows()),)


def rows() -> list[dict[str, Any]]:
    """The table's rows, with their columns in its order: those of costs are the last."""
    return [
        {
            "dataset_idx": name,
            "question": f"Which of these, {number}?",
            "answer": "AB"[number % 2],
            "category": "geometry" if name.startswith("MathVista") else "charts",
            **{f"{vlm}_prediction": _asked(vlm, number) and f"B, says {vlm}" for vlm in VLMS},
            **{f"{vlm}_correct": _asked(vlm, number) for vlm in VLMS},
            **{f"{vlm}_token": _asked(vlm, number) and 10 * number + 5 for vlm in VLMS},
            **{f"{vlm}_cost": _cost(vlm, number) for vlm in VLMS},
        }
        for number, name in enumerate(IDS)
    ]


def _asked(vlm: str, number: int) -> str:
    """The verdict on a VLM; empty where it was not asked."""
    return {"1": "True", "0": "False"}[RIGHT[vlm][number]] if number < len(RIGHT[vlm]) else ""


def _cost(vlm: str, number: int) -> float | str:
    if not _asked(vlm, number):
        return ""
    return 0.002 * (number + 1) if vlm == "gpt-4o" else 0.0

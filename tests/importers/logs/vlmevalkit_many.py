"""A log of VLMEvalKit that is large enough to train on; a picture and its question tell which VLM is right."""

import base64
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.importers.logs.vlmevalkit import FAILED, RUN, write_sheet, write_tsv

VLMS = ("Qwen2-VL-7B", "InternVL2-8B", "gpt-4o")
IMAGES = {"MMStar": 32, "SEEDBench_IMG": 16}  # by benchmark; each picture is asked about twice
NUM_QUERIES = 2 * sum(IMAGES.values())
FAILURES = 2  # answers of the last VLM in the first benchmark that were never obtained
UNANSWERED = 2  # questions of each benchmark that no VLM answers
_COLOURS = {"red": (220, 30, 30), "blue": (40, 50, 220), "white": (240, 240, 240), "green": (30, 200, 40)}
_QUESTIONS = ("How many dots are there in this picture?", "What does the sign say?")


def write_log(folder: Path) -> tuple[Path, Path]:
    """Write the runs of three VLMs and the benchmarks' TSVs; returns both folders."""
    for benchmark, num_images in IMAGES.items():
        asked = list(_questions(num_images, np.random.default_rng(num_images)))
        write_tsv(folder / "LMUData" / f"{benchmark}.tsv", [question for question, _ in asked])
        for place, vlm in enumerate(VLMS):
            failures = FAILURES if (place, benchmark) == (2, "MMStar") else 0
            predicted, judged = [], []
            for question, right in asked:
                row = {key: value for key, value in question.items() if key != "image"}
                row["prediction"] = row["answer"] if place == right else "D"
                if row["index"] < failures:
                    row["prediction"] = FAILED
                predicted.append(row)
                judged.append({**row, "hit": int(row["prediction"] == row["answer"]), "log": "Match Log: ."})
            run = folder / "outputs" / vlm / RUN
            write_sheet(run / f"{vlm}_{benchmark}.xlsx", predicted)
            write_sheet(run / f"{vlm}_{benchmark}_openai_result.xlsx", judged)
    return folder / "outputs", folder / "LMUData"


def _questions(num_images: int, rng: np.random.Generator) -> Iterator[tuple[dict[str, Any], int | None]]:
    """Two questions about each picture, and which VLM is right; the second one refers to the first for the image."""
    colours = [list(_COLOURS)[place] for place in rng.integers(len(_COLOURS), size=num_images)]
    for reading, text in enumerate(_QUESTIONS):
        for number, colour in enumerate(colours):
            question = {
                "index": reading * num_images + number,
                "image": str(number) if reading else _picture(colour, rng),
                "question": text,
                "A": "one",
                "B": "two",
                "C": "three",
                "answer": "ABC"[rng.integers(3)],
                "category": "reading" if reading else "counting",
            }
            yield question, None if reading and number < UNANSWERED else _right(colour, reading)


def _right(colour: str, reading: int) -> int:
    """One VLM counts on cold pictures, one reads on warm ones, and the third does the rest."""
    warm = colour in ("red", "white")
    return reading if warm == bool(reading) else 2


def _picture(colour: str, rng: np.random.Generator) -> str:
    """A PNG in one colour with a little noise, as base64."""
    noise = rng.integers(-15, 16, (32, 32, 3))
    content = BytesIO()
    Image.fromarray((np.array(_COLOURS[colour]) + noise).clip(0, 255).astype(np.uint8)).save(content, "PNG")
    return base64.b64encode(content.getvalue()).decode()

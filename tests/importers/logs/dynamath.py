"""A small clone of DynaMath: three seeds in two variants, and the results of three VLMs."""

import csv
import json
from pathlib import Path

from tests.importers.logs.m2 import png

VLMS = ("GPT4o", "Qwen2-7B", "llava1.6-vicuna-13B")
SEEDS = (1, 2, 12)
SUBJECTS = {1: "analytic geometry", 2: "statistics", 12: "algebra"}
# What each VLM got right, by seed, in the order of the variants.
RIGHT = {"GPT4o": ("10", "11", "01"), "Qwen2-7B": ("00", "10", "11"), "llava1.6-vicuna-13B": ("00", "01", "00")}


def write_log(folder: Path) -> tuple[Path, ...]:
    """Write the clone; the source to import it from."""
    root = folder / "DynaMath"
    results = root / "samples and result"
    for variant in (1, 2):
        trial = results / f"10trials/trial{variant}"
        (trial / "image").mkdir(parents=True)
        for seed in SEEDS:
            (trial / f"image/image{seed}.png").write_bytes(png((variant, seed, 9)))
        questions = {str(seed): question(seed, variant) for seed in SEEDS}
        (trial / "dataset.json").write_text(json.dumps(questions, indent=4))
    (root / "dataset").mkdir()
    (root / "dataset/dataset.json").write_text(json.dumps({"1": question(1, 3)}))  # a variant that no VLM was asked
    for vlm, of_seeds in RIGHT.items():
        with (results / f"{vlm}-result.csv").open("w", newline="") as stream:
            head = ["Question ID", "Variant 1", "Variant 2", "# of correct per question", "Topic", "Difficulty Level"]
            csv.writer(stream).writerows(
                [head, *(row(seed, right) for seed, right in zip(SEEDS, of_seeds, strict=True))]
            )
    return (root,)


def question(seed: int, variant: int) -> dict[str, str]:
    """A record of dataset.json."""
    return {
        "question": f"What is {seed} + {variant}?",
        "answer": str(seed + variant),
        "image": f"image/image{seed}.png",
        "answer_type": "float",
        "subject": SUBJECTS[seed],
        "level": "high school",
    }


def row(seed: int, right: str) -> list[str]:
    """A row of a VLM's results."""
    verdicts = [{"1": "correct", "0": "fail"}[one] for one in right]
    return [f"Q{seed}", *verdicts, str(right.count("1")), SUBJECTS[seed], "high school"]

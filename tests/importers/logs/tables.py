"""A small dataset in outcome-table form."""

from pathlib import Path

import pandas as pd
from PIL import Image

from arms.data.profiles import VlmProfile
from arms.data.tables import OutcomeTables, write_dataset

VLMS = (
    VlmProfile(name="small", access="free", params_b=2, provider="Acme"),
    VlmProfile(name="large", access="paid", price_in=5, price_out=15),
    VlmProfile(name="newer", access="paid", released="2026-05"),
)
MISSING = ("q4", "newer")  # the pair without an outcome


def write_log(folder: Path) -> tuple[Path, ...]:
    """Six queries on three images by three VLMs, with answers, outputs, costs and latencies where known."""
    source = folder / "counting"
    (source / "images").mkdir(parents=True)
    for number in range(3):
        Image.new("RGB", (6, 4), (number, 120, 7)).save(source / f"images/{number}.png")
    queries = pd.DataFrame(
        {
            "query_id": [f"q{number}" for number in range(6)],
            "benchmark": ["counting"] * 4 + ["reading"] * 2,
            "task": ["circles", "lines"] * 3,
            "language": ["en"] * 5 + ["de"],
            "question": [f"How many? ({number % 2})" for number in range(5)] + ["Wie viele?"],
            "image": [f"images/{number // 2}.png" for number in range(6)],
            "answer": ["3", None, "4", "2", "ja", "drei"],
        }
    )
    pairs = [(f"q{number}", vlm.name, number) for number in range(6) for vlm in VLMS]
    pairs = [pair for pair in pairs if pair[:2] != MISSING]
    outcomes = pd.DataFrame(
        {
            "query_id": [query_id for query_id, _, _ in pairs],
            "vlm": [vlm for _, vlm, _ in pairs],
            "correct": [(number + len(vlm)) % 3 == 0 for _, vlm, number in pairs],
            "output": [f"I see {number}." if number % 2 else None for _, _, number in pairs],
            "cost_usd": [None if vlm == "small" else 0.001 * number for _, vlm, number in pairs],
            "latency_s": [0.5 + number for _, _, number in pairs],
        }
    )
    write_dataset(OutcomeTables(source, queries, outcomes, VLMS), source)
    return (source,)

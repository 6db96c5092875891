"""A small dataset folder with real image files, for tests to use as it is or to spoil."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from PIL import Image

from arms.data.profiles import VlmProfile
from arms.data.tables import OutcomeTables

VLMS = (
    VlmProfile(name="small", access="free", params_b=2, provider="Acme"),
    VlmProfile(name="large", access="paid", price_in=5, price_out=15),
    VlmProfile(name="newer", access="paid"),
)


@pytest.fixture
def make_dataset(tmp_path: Path) -> Callable[..., OutcomeTables]:
    """Builds a dataset in memory, its images on disk: `num_queries` queries, two to an image, known to every VLM."""

    def make(num_queries: int = 8, folder: str = "source", simulated: bool = False) -> OutcomeTables:
        root = tmp_path / folder
        (root / "images").mkdir(parents=True)
        rows: list[dict[str, Any]] = []
        for number in range(num_queries):
            image = f"images/{number // 2:03d}.png"
            if not (root / image).exists():
                Image.new("RGB", (4, 4), (number % 256, number // 256, 7)).save(root / image)
            rows.append(
                {
                    "query_id": f"q{number:03d}",
                    "benchmark": "counting" if number % 8 < 6 else "reading",
                    "task": "circles" if number % 4 < 2 else "lines",
                    "language": "en",
                    "question": f"How many? ({number % 3})",
                    "images": (image,),
                    "answer": None if number % 2 else "3",
                }
            )
        pairs = [(row["query_id"], vlm.name, number) for number, row in enumerate(rows) for vlm in VLMS]
        outcomes = pd.DataFrame(
            {
                "query_id": [query_id for query_id, _, _ in pairs],
                "vlm": [vlm for _, vlm, _ in pairs],
                "correct": [(number + len(vlm)) % 3 == 0 for _, vlm, number in pairs],
                "cost_usd": [None if vlm == "small" else 0.001 * number for _, vlm, number in pairs],
            }
        )
        probabilities = outcomes[["query_id", "vlm"]].assign(probability=0.25) if simulated else None
        return OutcomeTables(root, pd.DataFrame(rows), outcomes, VLMS, probabilities)

    return make

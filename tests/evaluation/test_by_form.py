"""Routers judged on each form of queries by itself, on made-up outcomes."""

import numpy as np
import pandas as pd
import pytest

from arms.data.prepared import Prepared
from arms.data.profiles import VlmProfile
from arms.data.scores import Scores
from arms.evaluation.by_form import metrics_by_form
from arms.params.costs import CostsParams

VLMS = (VlmProfile(name="one", access="free", params_b=2), VlmProfile(name="two", access="free", params_b=7))
COSTS = CostsParams(characters_per_token=1.0, image_tokens=10, answer_tokens=1, own_compute_usd_per_b=0.1)
# Of 40 test queries the first half has no image, and only VLM two is right on them; VLM one is right on all others.
TEST = np.arange(40)
ON_WORDS = TEST < 20


def make_prepared(words: np.ndarray) -> Prepared:
    """Ten training queries that VLM one answers, then the test queries."""
    ids = [f"t{i}" for i in range(10)] + [f"i{i}" for i in TEST]
    queries = pd.DataFrame(
        {
            "query_id": ids,
            "question": "why",
            "images": [("a.png",)] * 10 + [() if word else ("a.png",) for word in words],
            "scene": ids,
            "split": ["train"] * 10 + ["id"] * 40,
        }
    )
    right = {"one": [True] * 10 + (~ON_WORDS).tolist(), "two": [False] * 10 + ON_WORDS.tolist()}
    outcomes = pd.DataFrame(
        [
            {"query_id": ids[row], "vlm": vlm, "correct": float(of[row]), "cost_usd": np.nan}
            for vlm, of in right.items()
            for row in range(50)
        ]
    )
    return Prepared(queries, outcomes, VLMS, base=("one", "two"), new=())


def run(one: np.ndarray) -> dict[str, Scores]:
    """A router that chooses VLM one on some of the test queries, VLM two on the others."""
    confidence = np.stack([one, ~one], axis=1).astype(np.float32)
    return {"base": Scores("r", "base", tuple(f"i{i}" for i in TEST), ("one", "two"), confidence, {"name": "argmax"})}


def test_each_form_is_judged_by_itself() -> None:
    runs = {"good": [run(~ON_WORDS)], "half": [run(~ON_WORDS), run(np.ones(40, dtype=bool))]}
    found = metrics_by_form(make_prepared(ON_WORDS), runs, COSTS, samples=100, seed=1)
    assert list(found) == ["one image", "no image"]
    ems = {form: {name: of["id"]["base"]["em"] for name, of in routers.items()} for form, routers in found.items()}
    assert ems == {"one image": {"good": 1.0, "half": 1.0}, "no image": {"good": 1.0, "half": 0.5}}
    words = found["no image"]["good"]["id"]["base"]
    assert (words["best_single_em"], words["gain"], words["queries"]) == (0.0, 1.0, 20), "chosen on all of train"
    assert found["no image"]["good"]["ood"] == {}, "there are no such queries"


@pytest.mark.parametrize("word", [True, False])
def test_one_form(word: bool) -> None:
    prepared = make_prepared(np.full(40, word))
    assert metrics_by_form(prepared, {"good": [run(~ON_WORDS)]}, COSTS, samples=100, seed=1) == {}

"""Where the truth is known: outcomes of a new VLM are removed at random, and the reported gain stays what it was."""

import numpy as np
import pandas as pd
import pytest

from arms.data.prepared import Prepared
from arms.data.profiles import VlmProfile
from arms.data.scores import Scores
from arms.evaluation.judge import Judge
from arms.extension.before_after import judge_extension

COUNT, DRAWS = 3000, 30
TOLERANCE = 0.01  # of the mean over the draws; the gain with all outcomes is some ten times as large
POOL = ("a", "b", "c", "new")
IDS = tuple(f"q{i}" for i in range(COUNT))


@pytest.fixture(scope="module")
def simulated():
    """Confidences near the true chances, and outcomes, both of shape (N, 4); the new VLM is good on a third."""
    rng = np.random.default_rng(0)
    chance = rng.uniform(0.1, 0.8, (COUNT, len(POOL)))
    chance[:, 3] = np.where(rng.random(COUNT) < 1 / 3, 0.95, 0.3)
    confidence = np.clip(chance + rng.normal(0, 0.1, chance.shape), 0, 1).astype(np.float32)
    return confidence, (rng.random(chance.shape) < chance).astype(np.float64)


def removed(outcomes, known_share, seed):
    """The outcomes, with those of the new VLM known only on a random share of the queries."""
    partly = outcomes.copy()
    partly[np.random.default_rng(seed).random(COUNT) >= known_share, 3] = np.nan
    return partly


def extension(confidence, outcomes):
    scores = [Scores(name, name, IDS, POOL[:width], confidence[:, :width], {"name": "argmax"})
              for name, width in (("base", 3), ("extended", 4))]  # fmt: skip
    return judge_extension(
        *scores,
        outcomes,
        best_single=np.array([0.45, 0.44, 0.46, 0.5]),
        tasks=np.full(COUNT, "any"),
        groups=np.arange(COUNT),
        samples=2,
        seed=1,
    )


@pytest.mark.parametrize("known_share", [0.5, 0.2, 0.1])
def test_the_difference_between_old_and_new_is_unbiased(simulated, known_share):
    confidence, outcomes = simulated
    truth = extension(confidence, outcomes)
    assert truth["difference"] > 0.1
    draws = [extension(confidence, removed(outcomes, known_share, seed)) for seed in range(DRAWS)]
    mean = {name: np.mean([draw[name] for draw in draws]) for name in ("difference", "old_em", "new_em")}
    for name, value in mean.items():
        assert value == pytest.approx(truth[name], abs=TOLERANCE), name
    assert np.mean([draw["queries_all"] for draw in draws]) == pytest.approx(known_share * COUNT, rel=0.05)
    replayed = np.mean([draw["partial"]["difference"] for draw in draws])
    assert replayed < 1.2 * known_share * truth["difference"], "a partial replay is biased towards no change"


def prepared_from(outcomes):
    """A dataset with these outcomes on its test queries, and the same on as many training queries."""
    ids = [*(f"t{i}" for i in range(COUNT)), *IDS]
    both = np.concatenate([outcomes, outcomes])
    rows, columns = np.nonzero(~np.isnan(both))
    queries = pd.DataFrame(
        {
            "query_id": ids,
            "images_sha256": [(name,) for name in ids],
            "scene": ids,
            "split": ["train"] * COUNT + ["id"] * COUNT,
            "task": "any",
        }
    )
    table = pd.DataFrame(
        {
            "query_id": np.array(ids)[rows],
            "vlm": np.array(POOL)[columns],
            "correct": both[rows, columns] == 1,
        }
    )
    profiles = tuple(VlmProfile(name=name, access="free", params_b=1) for name in POOL)
    return Prepared(queries, table, profiles, base=POOL[:3], new=POOL[3:])


def judged(confidence, outcomes):
    scores = Scores("mine", "extended", IDS, POOL, confidence, {"name": "argmax"})
    return Judge(prepared_from(outcomes), {}, samples=2, seed=1).metrics_on("id", scores)


@pytest.mark.parametrize("known_share", [0.3, 0.1])
def test_the_gain_over_the_best_single_vlm_is_unbiased(simulated, known_share):
    confidence, outcomes = simulated
    truth = judged(confidence, outcomes)
    assert truth["queries_incomplete"] == 0
    draws = [judged(confidence, removed(outcomes, known_share, seed)) for seed in range(10)]
    for name in ("em", "em_all", "best_single_em", "gain", "auroc"):
        assert np.mean([draw[name] for draw in draws]) == pytest.approx(truth[name], abs=2 * TOLERANCE), name
    assert all(draw["queries_all"] + draw["queries_incomplete"] == COUNT for draw in draws)
    assert np.mean([draw["partial_em"] for draw in draws]) < truth["em"] - TOLERANCE

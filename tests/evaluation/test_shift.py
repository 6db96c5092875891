"""Routers on kinds of queries left out of training, by numbers worked by hand."""

import numpy as np
import pytest

from arms.evaluation.shift import Fold, judge_folds

FAR = {"samples": 200, "seed": 1}


def fold(*rows: tuple[float, float, float], first_scene: int = 0) -> Fold:
    """Queries with what two routers and the best single VLM got right; answerable where any of them did."""
    values = np.array(rows, dtype=float)
    return Fold(values[:, :2], values[:, 2], values.max(axis=1) > 0, first_scene + np.arange(len(rows)))


def test_every_fold_counts_the_same():
    folds = {
        "small": fold((1, 0, 0), (1, 0, 1)),  # gains 0.5 and -0.5
        "large": fold(*[(0, 1, 1)] * 6, *[(1, 1, 1)] * 2),  # gains -0.75 and 0
    }
    judged = judge_folds(folds, ["a", "b"], **FAR)
    assert judged["a"]["macro"]["gain"] == pytest.approx((0.5 - 0.75) / 2)
    assert judged["b"]["macro"]["gain"] == pytest.approx((-0.5 + 0) / 2)
    assert judged["a"]["worst"]["fold"] == "large"
    assert judged["b"]["worst"]["fold"] == "small"
    assert judged["a"]["worst"]["gain"] == judged["a"]["folds"]["large"]["gain"] == -0.75
    assert judged["a"]["folds"]["small"]["queries"] == 2


def test_queries_that_nobody_answers_count_only_in_em_all():
    judged = judge_folds({"one": fold((1, 0, 1), (0, 1, 1), (0, 0, 0), (0, 0, 0))}, ["a", "b"], **FAR)
    of = judged["a"]["folds"]["one"]
    assert (of["em"], of["em_all"], of["queries"], of["queries_all"]) == (0.5, 0.25, 2, 4)


def test_the_interval_of_the_mean_is_narrower_than_that_of_one_fold():
    rng = np.random.default_rng(0)
    folds = {str(k): fold(*map(tuple, rng.integers(0, 2, (80, 3))), first_scene=80 * k) for k in range(9)}
    judged = judge_folds(folds, ["a", "b"], **FAR)["a"]
    width = {name: of["gain_high"] - of["gain_low"] for name, of in judged["folds"].items()}
    macro = judged["macro"]
    assert macro["gain_low"] < macro["gain"] < macro["gain_high"]
    assert macro["gain_high"] - macro["gain_low"] == pytest.approx(np.mean(list(width.values())) / 3, rel=0.25)
    assert judged["worst"]["gain"] == min(of["gain"] for of in judged["folds"].values())


def test_kinds_that_share_scenes_are_drawn_together():
    rows = [(1, 0, 0), (0, 1, 1), (1, 1, 1), (0, 0, 1)] * 5
    shared = judge_folds({"a": fold(*rows), "b": fold(*rows)}, ["a", "b"], **FAR)["a"]
    apart = judge_folds({"a": fold(*rows), "b": fold(*rows, first_scene=20)}, ["a", "b"], **FAR)["a"]
    # Two kinds that agree on every scene know no more than one.
    assert [shared["macro"][key] for key in ("gain_low", "gain_high")] == [
        shared["folds"]["a"][key] for key in ("gain_low", "gain_high")
    ]
    width = {name: of["macro"]["gain_high"] - of["macro"]["gain_low"] for name, of in (("s", shared), ("a", apart))}
    assert width["a"] == pytest.approx(width["s"] / np.sqrt(2), rel=0.2)


def test_folds_without_an_answerable_query_are_left_out():
    judged = judge_folds({"none": fold((0, 0, 0)), "one": fold((1, 0, 0))}, ["a", "b"], **FAR)
    assert set(judged["a"]["folds"]) == {"one"}
    with pytest.raises(ValueError, match="expected a fold with answerable queries, got none among none"):
        judge_folds({"none": fold((0, 0, 0))}, ["a", "b"], **FAR)

"""The made-up dataset in M2's shape: its sums to the query, what is in it, and a small run of the whole benchmark."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from benchmarks.m2_parts.page import m2_page, tuned_queries
from benchmarks.m2_parts.pictures import Picture, draw_picture, picture_size
from benchmarks.m2_parts.project import pool_profiles
from benchmarks.m2_parts.shape import FREE, M2, OOD, PAID
from benchmarks.m2_parts.stages import STAGES
from benchmarks.m2_parts.tables import make_tables
from tests.pipeline import ROOT


@pytest.fixture(scope="module")
def m2():
    return make_tables(M2, pool_profiles())


def complete(tables, pool):
    """The queries on which all VLMs of a pool have outcomes, and those of them that one answers; counts by split."""
    spread = tables.outcomes.pivot(index="query_id", columns="vlm", values="correct")[list(pool)]
    known = spread[spread.notna().all(axis=1)].astype(bool)
    split = tables.queries.set_index("query_id")["split"]
    right = known[known.any(axis=1)]
    return split[known.index].value_counts().to_dict(), split[right.index].value_counts().to_dict()


def test_the_sums_of_the_free_pool(m2):
    queries, answerable = complete(m2, FREE)
    assert sum(queries.values()) == len(m2.queries) == 56_107
    assert answerable == {"train": 29_626, "id": 3_000, "ood": 7_084}
    assert queries == {"train": 41_867, "id": 4_240, "ood": 10_000}  # a tenth of both kinds is in the split id


def test_the_sums_of_all_seven_vlms(m2):
    queries, answerable = complete(m2, (*FREE, *PAID))
    assert queries == {"train": 5_500, "id": 1_500, "ood": 10_000}
    assert answerable == {"train": 5_500, "id": 1_500, "ood": 9_397}


def test_the_sums_of_the_benchmarks(m2):
    counts = m2.queries["benchmark"].value_counts()
    assert counts.drop(OOD).sum() == 46_107
    assert set(m2.queries.loc[m2.queries["split"] == "ood", "benchmark"]) == {OOD}
    assert counts[OOD] == 10_000
    assert len(m2.outcomes) == 4 * 56_107 + 3 * 17_000


def test_no_query_and_no_outcome_is_there_twice(m2):
    assert m2.queries["query_id"].is_unique
    assert not m2.queries.duplicated(["question", "image"]).any()
    assert not m2.outcomes.duplicated(["query_id", "vlm"]).any()


def test_a_picture_is_in_one_split(m2):
    assert m2.queries.groupby("image")["split"].nunique().max() == 1
    assert sorted(m2.queries["image"].unique()) == sorted(picture.name for picture in m2.pictures)
    of_real_world = m2.queries[m2.queries["benchmark"] == "MME-RealWorld"]
    assert of_real_world["image"].nunique() == 8_124  # two questions each


def test_only_the_paid_vlms_have_costs_and_their_answers_agree_with_the_verdicts(m2):
    outcomes = m2.outcomes.merge(m2.queries[["query_id", "answer"]], on="query_id")
    assert ((outcomes["output"] == outcomes["answer"]) == outcomes["correct"]).all()
    paid = outcomes["vlm"].isin(PAID)
    assert outcomes.loc[paid, ["cost_usd", "latency_s"]].notna().all(axis=None)
    assert outcomes.loc[~paid, ["cost_usd", "latency_s"]].isna().all(axis=None)
    assert (outcomes.loc[paid, "cost_usd"] > 0).all()


def test_the_task_and_the_picture_say_who_is_right(m2):
    """By the task and the palette, the best VLM of train beats the best single VLM on id."""
    spread = m2.outcomes.pivot(index="query_id", columns="vlm", values="correct")[list(FREE)].astype(float)
    palette = {picture.name: picture.palette for picture in m2.pictures}
    queries = m2.queries.set_index("query_id")
    kind = [queries["task"], queries["image"].map(palette)]
    train, test = (queries.index[queries["split"] == split] for split in ("train", "id"))
    best = spread.loc[train].groupby([part[train] for part in kind]).mean().idxmax(axis=1)
    chosen = [best[pair] for pair in zip(*(part[test] for part in kind), strict=True)]
    routed = np.mean([spread.at[query, vlm] for query, vlm in zip(test, chosen, strict=True)])
    assert routed > spread.loc[test].mean().max() + 0.03


def test_the_same_seed_gives_the_same_tables():
    small = M2.scaled(0.01)
    one, same, other = (make_tables(small, pool_profiles(), seed) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(one.queries, same.queries)
    pd.testing.assert_frame_equal(one.outcomes, same.outcomes)
    assert not one.outcomes["correct"].equals(other.outcomes["correct"])


@pytest.mark.parametrize("share", [0.1, 0.01, 0.002])
def test_a_smaller_one_has_its_own_sums(share):
    shape = M2.scaled(share)
    tables = make_tables(shape, pool_profiles())
    _, free = complete(tables, FREE)
    _, every = complete(tables, (*FREE, *PAID))
    assert free == {"train": shape.answerable - shape.test, "id": shape.test, "ood": shape.ood_free}
    assert every == {"train": shape.asked - shape.asked_test, "id": shape.asked_test, "ood": shape.ood_any}


def test_pictures_of_real_sizes():
    rng = np.random.default_rng(0)
    sizes = np.array([picture_size("MME-RealWorld", rng) for _ in range(2000)])
    assert 2.5e6 < sizes.prod(axis=1).mean() < 4e6  # published: 2,000 x 1,500 on average
    small = np.array([picture_size("VHELM", rng) for _ in range(2000)])
    assert small.max(axis=1).min() >= 300
    assert max(sizes.max(), small.max()) <= 3840


def test_a_picture_shows_its_palette_and_no_two_are_alike():
    def drawn(number, palette):
        made = Picture(name="a.jpg", benchmark="VHELM", number=number, palette=palette, shapes=0)
        return np.asarray(draw_picture(made, seed=1).resize((8, 6)), dtype=float)

    warm, cold = drawn(1, 0), drawn(1, 2)
    assert warm[..., 0].mean() > cold[..., 0].mean() + 50
    assert np.abs(drawn(2, 0) - warm).mean() > 10
    np.testing.assert_array_equal(drawn(1, 0), warm)


def test_the_training_queries_of_the_table():
    assert tuned_queries(M2) == {
        "train": 28_145,
        "extend, incremental": 5_225,
        "extend, independent": 5_225,
    }


@pytest.mark.slow
def test_a_quick_run_of_m2_goes_through(tmp_path):
    command = [sys.executable, "-m", "benchmarks.m2", "--scale", "0.002", "--out", str(tmp_path)]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    report = json.loads((tmp_path / "m2-quick.json").read_text())
    lines = {(line["part"], line["name"]): line["figure"] for line in report["lines"]}
    assert all(lines["bundled", f"{stage}: time"] > 0 for stage in STAGES)
    assert lines["dataset", "queries"] == report["settings"]["ood"] + sum(report["settings"]["benchmarks"].values())
    assert lines["bundled", "id, base pool: queries"] == report["settings"]["test"]
    assert (tmp_path / "m2-quick.md").read_text() == m2_page(report)

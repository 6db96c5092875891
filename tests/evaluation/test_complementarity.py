"""Who is right where another VLM is wrong, and a dataset's statistics: by hand and as properties."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from arms.data.prepared import Prepared
from arms.data.profiles import VlmProfile
from arms.evaluation.complementarity import (
    comparison_record,
    dataset_statistics,
    pool_statistics,
    rescue_matrix,
)

NAN = np.nan
OUTCOMES = arrays(
    np.float32, array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=7), elements=st.sampled_from([0, 1, NAN])
)


def test_rescue_by_hand():
    outcomes = np.array(
        [
            [0, 1, 1],
            [0, 1, NAN],
            [0, 0, 1],
            [1, 0, 1],
            [NAN, 0, 1],
        ]
    )
    # VLM 0 is wrong three times, VLM 1 three times, VLM 2 never.
    expected = [
        [NAN, 2 / 3, 2 / 2],  # of the three, VLM 2 is unknown on one
        [1 / 2, NAN, 3 / 3],  # of the three, VLM 0 is unknown on one
        [NAN, NAN, NAN],
    ]
    matrix = rescue_matrix(outcomes)
    assert matrix.dtype == np.float64
    np.testing.assert_allclose(matrix, expected)


@given(OUTCOMES)
@settings(max_examples=60, deadline=None)
def test_rescue_counts_pair_by_pair(outcomes):
    matrix = rescue_matrix(outcomes)
    for i in range(outcomes.shape[1]):
        for j in range(outcomes.shape[1]):
            seen = [row[j] for row in outcomes if row[i] == 0 and not np.isnan(row[j])]
            expected = sum(seen) / len(seen) if seen and i != j else NAN
            assert matrix[i, j] == pytest.approx(expected, nan_ok=True)


@given(OUTCOMES, st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_order_and_unknown_queries_change_nothing(outcomes, random):
    order = random.sample(range(len(outcomes)), len(outcomes))
    unknown = np.full((3, outcomes.shape[1]), NAN, dtype=np.float32)
    np.testing.assert_array_equal(
        rescue_matrix(np.concatenate([outcomes[order], unknown])), rescue_matrix(outcomes), strict=True
    )


@pytest.mark.parametrize(
    ("outcomes", "message"),
    [([0, 1], r"expected an array of shape \(N, S\)"), ([[0.5, 1]], "expected 0, 1 or NaN")],
)
def test_rescue_of_anything_else_is_an_error(outcomes, message):
    with pytest.raises(ValueError, match=message):
        rescue_matrix(np.array(outcomes))


def make_prepared(rows, pairs, base=("a", "b"), new=("c",)):
    """Queries (split, benchmark, task, language, question, image), and outcomes (row, VLM, correct)."""
    queries = pd.DataFrame(rows, columns=["split", "benchmark", "task", "language", "question", "image"])
    queries["images_sha256"] = [(image,) for image in queries.pop("image")]
    queries["query_id"] = [f"q{row}" for row in range(len(rows))]
    outcomes = pd.DataFrame(
        {
            "query_id": [f"q{row}" for row, _, _ in pairs],
            "vlm": [vlm for _, vlm, _ in pairs],
            "correct": [correct for _, _, correct in pairs],
        }
    )
    vlms = tuple(VlmProfile(name=name, access="free") for name in (*base, *new))
    return Prepared(queries=queries, outcomes=outcomes, vlms=vlms, base=base, new=new)


@pytest.fixture
def prepared():
    rows = [
        ("train", "words", "read", "en", "What does it say?", "x"),
        ("ood", "space", "left", "en", "Is it left of the door?", "y"),
        ("train", "count", "dots", "en", "How many?", "y"),
        ("train", "count", "dots", "zh", "图中图形的总数是多少", "y"),
    ]
    pairs = [
        (0, "a", True), (0, "b", False),
        (1, "a", False), (1, "b", False), (1, "c", True),
        (2, "a", False), (2, "b", False),
        (3, "a", True), (3, "c", False),
    ]  # fmt: skip
    return make_prepared(rows, pairs)


def test_statistics_by_hand(prepared):
    records = dataset_statistics(prepared)
    # Splits in their order, benchmarks by name; val and id are empty.
    assert [(record.pop("split"), record.pop("benchmark")) for record in records] == [
        ("train", "count"), ("train", "words"), ("train", "all"), ("ood", "space"), ("ood", "all"), ("all", "all"),
    ]  # fmt: skip
    count, words, train, space, ood, everything = records
    assert count == {
        "queries": 2, "images": 1, "languages": 2, "tasks": 1, "question_words": (2 + 10) / 2,
        "answerable_base": 1, "answerable_extended": 1, "known_outcomes": 4,
        "accuracy": {"a": 0.5, "b": 0.0, "c": 0.0},
    }  # fmt: skip
    assert words["accuracy"] == {"a": 1.0, "b": 0.0, "c": None}
    assert (train["queries"], train["images"], train["tasks"], train["known_outcomes"]) == (3, 2, 2, 6)
    assert train["question_words"] == pytest.approx((4 + 2 + 10) / 3)
    assert train["accuracy"] == {"a": pytest.approx(2 / 3), "b": 0.0, "c": 0.0}
    assert (space["answerable_base"], space["answerable_extended"]) == (0, 1)  # only the new VLM is right
    assert space == ood
    # The image y lies in both splits, and counts once.
    assert (everything["queries"], everything["images"], everything["known_outcomes"]) == (4, 2, 9)
    assert (everything["answerable_base"], everything["answerable_extended"]) == (2, 3)


def test_pools_by_hand(prepared):
    """Queries 0, 1 and 2 have outcomes of a and b; of these only query 1 has one of c."""
    found = {
        (record["pool"], record["split"]): (record["vlms"], record["queries"], record["complete"], record["answerable"])
        for record in pool_statistics(prepared)
    }
    assert found == {
        ("base", "train"): (2, 3, 2, 1),
        ("base", "ood"): (2, 1, 1, 0),
        ("base", "all"): (2, 4, 3, 1),
        ("extended", "train"): (3, 3, 0, 0),
        ("extended", "ood"): (3, 1, 1, 1),
        ("extended", "all"): (3, 4, 1, 1),
    }


@pytest.mark.parametrize(
    ("outputs", "recorded"), [({}, False), ({"output": [None] * 9}, False), ({"output": ["A"] * 9}, True)]
)
def test_what_table_1_compares(prepared, outputs, recorded):
    prepared = replace(prepared, outcomes=prepared.outcomes.assign(**outputs))
    assert comparison_record(prepared) == {"multimodal": True, "outputs": recorded, "queries": 4}


def test_statistics_are_plain_json(prepared):
    records = [*dataset_statistics(prepared), *pool_statistics(prepared), comparison_record(prepared)]
    assert json.loads(json.dumps(records, allow_nan=False)) == records


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("How many  shapes?\n", 3),
        ("Combien de formes ?", 3),  # a mark that stands alone is no word
        ("चित्र में आकृतियों की कुल संख्या क्या है?", 8),
        ("图中有多少个circle\uff1f", 7),
        ("いくつ", 3),
        ("?!", 0),
    ],
)
def test_words_of_a_question(question, words):
    prepared = make_prepared([("train", "b", "t", "en", question, "x")], [(0, "a", True)])
    assert dataset_statistics(prepared)[0]["question_words"] == words


def test_a_dataset_without_queries_has_no_records():
    assert dataset_statistics(make_prepared([], [])) == pool_statistics(make_prepared([], [])) == []

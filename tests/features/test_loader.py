import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from arms.errors import ArmsError
from arms.features.loader import Features, Queries, Ragged, gather_queries, join_arrays


@st.composite
def ragged_cases(draw):
    """Sequences of different lengths, and rows to take of them."""
    lengths = draw(st.lists(st.integers(0, 6), min_size=1, max_size=8))
    width = draw(st.sampled_from([(), (3,), (2, 2)]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dtype = draw(st.sampled_from([np.int32, np.float16, np.float32]))
    sequences = [(rng.random((length, *width)) * 100 + 1).astype(dtype) for length in lengths]
    rows = draw(st.lists(st.integers(0, len(lengths) - 1), max_size=10))
    return sequences, np.array(rows, dtype=np.int64)


def pad_by_loop(sequences, rows):
    width = max([len(sequences[row]) for row in rows], default=1) or 1
    padded = np.zeros((len(rows), width, *sequences[0].shape[1:]), dtype=sequences[0].dtype)
    mask = np.zeros((len(rows), width), dtype=bool)
    for i, row in enumerate(rows):
        for j, value in enumerate(sequences[row]):
            padded[i, j], mask[i, j] = value, True
    return padded, mask


@settings(deadline=None, max_examples=200)
@given(ragged_cases())
def test_pad_is_a_plain_loop(case):
    sequences, rows = case
    ragged = Ragged.join(sequences)
    assert len(ragged) == len(sequences)
    assert ragged.nbytes == ragged.values.nbytes + ragged.offsets.nbytes
    padded, mask = ragged.pad(rows)
    expected, expected_mask = pad_by_loop(sequences, rows)
    assert padded.dtype == expected.dtype
    np.testing.assert_array_equal(padded, expected)
    np.testing.assert_array_equal(mask, expected_mask)


@settings(deadline=None, max_examples=50)
@given(ragged_cases(), st.integers(1, 8))
def test_joining_parts_is_joining_all(case, cut):
    sequences, _ = case
    parts = [sequences[:cut], sequences[cut : cut + 1], sequences[cut + 1 :]]
    joined = join_arrays([Ragged.join(part) for part in parts if part])
    whole = Ragged.join(sequences)
    np.testing.assert_array_equal(joined.values, whole.values)
    np.testing.assert_array_equal(joined.offsets, whole.offsets)
    assert joined.offsets.dtype == np.int64


def test_joining_dense_parts():
    whole = np.arange(12).reshape(6, 2)
    np.testing.assert_array_equal(join_arrays([whole[:1], whole[1:4], whole[4:]]), whole)
    assert join_arrays([whole]) is whole


@pytest.fixture
def features():
    """Three images with pooled embeddings and token states, four texts of one to four tokens."""
    images = Features(
        {
            "pooled": np.arange(6, dtype=np.float32).reshape(3, 2),
            "tokens": np.arange(24, dtype=np.float16).reshape(3, 4, 2),
        },
        {"a": 0, "b": 1, "c": 2},
    )
    texts = Features(
        {"token_ids": Ragged.join([np.arange(10 * n, 10 * n + n, dtype=np.int32) for n in range(1, 5)])},
        {"w": 0, "x": 1, "y": 2, "z": 3},
    )
    return images, texts


def test_take(features):
    images, texts = features
    batch = images.take(np.array([2, 0]))
    assert {name: tensor.dtype for name, tensor in batch.items()} == {"pooled": torch.float32, "tokens": torch.float32}
    assert batch["pooled"].tolist() == [[4, 5], [0, 1]]
    assert batch["tokens"][0].tolist() == [[16, 17], [18, 19], [20, 21], [22, 23]]
    batch = texts.take(np.array([1, 0, 2]))
    assert batch["token_ids"].tolist() == [[20, 21, 0], [10, 0, 0], [30, 31, 32]]
    assert batch["mask"].tolist() == [[True, True, False], [True, False, False], [True, True, True]]


def test_a_batch_is_a_copy(features):
    images, _ = features
    images.take(np.array([0, 1, 2]))["pooled"].zero_()
    assert images.arrays["pooled"].sum() == 15


def test_rows(features):
    images, _ = features
    assert images.rows(["c", "a", "c"]).tolist() == [2, 0, 2]
    assert images.rows([]).dtype == np.int64
    with pytest.raises(ArmsError, match="2 of 3 keys have no features, such as q; run: dvc repro encode"):
        images.rows(["a", "q", "r"])


def made_queries(features):
    ids, image_keys, text_keys = ["q0", "q1", "q2", "q3", "q4"], ["b", "a", "b", "c", "b"], ["z", "w", "z", "z", "x"]
    return gather_queries(ids, image_keys, text_keys, *features)


def test_a_batch_holds_each_image_and_question_once_and_reproduces_them(features):
    queries = made_queries(features)
    images, texts = features
    index = np.array([4, 0, 2, 1, 0])
    batch = queries.batch(index)
    assert (len(batch.images["pooled"]), len(batch.questions["mask"])) == (2, 3)
    expected = images.take(images.rows(["b", "b", "b", "a", "b"]))
    for name, value in expected.items():
        assert torch.equal(batch.images[name][batch.image_N], value)
    expected = texts.take(texts.rows(["x", "z", "z", "w", "z"]))
    for name, value in expected.items():
        assert torch.equal(batch.questions[name][batch.question_N], value)
    assert batch.image_N.dtype == batch.question_N.dtype == torch.int64


def test_subset(features):
    queries = made_queries(features)
    part = queries.subset(np.array([3, 1]))
    assert (len(part), part.ids, part.embeddings) == (2, ("q3", "q1"), None)
    assert (part.image_rows.tolist(), part.text_rows.tolist()) == ([2, 0], [3, 0])
    embedded = Queries(**{**vars(queries), "embeddings": np.arange(10.0).reshape(5, 2)})
    assert embedded.subset(np.array([3, 1])).embeddings.tolist() == [[6, 7], [2, 3]]
    assert len(embedded.subset(np.array([], dtype=np.int64))) == 0


def test_gathering_needs_features_for_every_key(features):
    with pytest.raises(ArmsError, match="1 of 1 keys have no features, such as v"):
        gather_queries(["q"], ["a"], ["v"], *features)

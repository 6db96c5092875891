import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from arms.features.arrays import Ragged, join_arrays


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

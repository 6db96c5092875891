import tracemalloc

import numpy as np
import pytest

from arms.features.recent import Recent


def encoded(recent, key, num_values=100):
    """Claim a key, and encode its item if it is new; whether it was."""
    item, is_new = recent.claim(key)
    if is_new:
        item.features, item.read = {"pooled": np.zeros((1, num_values), dtype=np.float32)}, None
        recent.settle([item])
    return is_new


def size_of(num_values):
    """What an item with a one-letter key is counted as."""
    recent = Recent(100_000)
    encoded(recent, "a", num_values)
    return recent.nbytes


def test_what_is_claimed_again_is_the_same():
    recent = Recent(10_000)
    item, is_new = recent.claim("a")
    assert is_new
    assert recent.claim("a") == (item, False)
    recent.settle([item])  # not encoded yet, so it does not count
    assert recent.nbytes == 0


def test_beyond_the_limit_those_go_that_were_asked_for_longest_ago():
    size = size_of(num_values=100)
    recent = Recent(3 * size)
    assert all(encoded(recent, key) for key in "abc")
    assert not encoded(recent, "a")
    assert recent.nbytes == 3 * size
    assert encoded(recent, "d")
    assert recent.nbytes == 3 * size
    assert [encoded(recent, key) for key in "adcb"] == [False, False, False, True]


def test_the_limit_holds_whatever_comes():
    recent, rng = Recent(20_000), np.random.default_rng(1)
    for key in rng.integers(0, 60, 500).tolist():
        encoded(recent, str(key), num_values=10 * key)
        assert recent.nbytes <= 20_000


def test_what_is_larger_than_the_limit_is_not_kept():
    recent = Recent(100)
    assert encoded(recent, "a")
    assert recent.nbytes == 0
    assert encoded(recent, "a")


def test_what_is_being_read_is_not_forgotten():
    recent = Recent(0)
    item, _ = recent.claim("a")
    assert encoded(recent, "b")
    assert recent.claim("a") == (item, False)


def test_what_python_takes_is_counted_too():
    """A question's vector is small beside it; what is taken is measured with many, as the allocator rounds."""
    values, count = np.zeros((1, 192), dtype=np.float32), 5_000
    tracemalloc.start()
    recent = Recent(10**9)
    for number in range(count):
        item, _ = recent.claim(f"How many chairs are there, in case {number}?")
        item.features, item.read = {"pooled": values.copy()}, None
        recent.settle([item])
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert recent.nbytes == pytest.approx(taken, rel=0.25)


def test_what_was_never_encoded_is_forgotten():
    recent = Recent(10_000)
    item, _ = recent.claim("a")
    encoded(recent, "b")
    recent.forget_unencoded()
    again, is_new = recent.claim("a")
    assert is_new
    assert again is not item
    assert not encoded(recent, "b")


def test_what_cannot_be_read_is_tried_again():
    recent = Recent(10_000)
    item, _ = recent.claim("a")
    recent.drop(item)
    other, is_new = recent.claim("a")
    assert is_new
    recent.drop(item)  # another one by now
    assert recent.claim("a") == (other, False)

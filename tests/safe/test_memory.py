from itertools import pairwise

import numpy as np
import pytest

from arms.safe.memory import KERNELS, MOST_NEIGHBOURS, Found, Memory, novelty
from arms.safe.stored import memory_from_tensors, memory_tensors
from tests.fakes import label
from tests.safe.made import directions, draw, label_vectors, queries_of, remember

BASE = np.array([0.5, 0.0, -1.0])
NARROWEST = int(np.argmin([bandwidth for bandwidth, *_ in KERNELS]))


def rates(memory, vectors, base=BASE):
    """What the neighbours of queries say, and how new these are."""
    found = memory.search(queries_of(vectors).embeddings)
    return memory.local_rates(found, np.asarray(base, dtype=np.float64)), novelty(found)


def near(similarity, count=MOST_NEIGHBOURS):
    """One query with neighbours that are all equally like it."""
    return Found(np.full((1, count), similarity, dtype=np.float32), np.arange(count)[None])


@pytest.fixture
def random_memory():
    vectors = directions(200)
    return vectors, remember(vectors, draw(np.full((200, 3), 0.5), 1))


def test_a_copy_gets_the_outcomes_of_its_original(random_memory):
    vectors, memory = random_memory
    local, _ = rates(memory, vectors)
    contrasts = local.contrasts[:, :, NARROWEST]
    mixed = (memory.outcomes.min(axis=1) == 0) & (memory.outcomes.max(axis=1) == 1)
    right = np.where(memory.outcomes == 1, contrasts, np.inf)[mixed].min(axis=1)
    wrong = np.where(memory.outcomes == 0, contrasts, -np.inf)[mixed].max(axis=1)
    assert mixed.sum() > 100
    assert (right > wrong + 1).all()


def test_the_levels_tell_easy_neighbourhoods_from_hard_ones(random_memory):
    vectors, memory = random_memory
    local, _ = rates(memory, vectors)
    levels = local.levels[:, NARROWEST]
    assert levels[(memory.outcomes == 1).all(axis=1)].min() > levels[(memory.outcomes == 0).all(axis=1)].max() + 1


def test_remote_neighbours_say_nothing():
    memory = remember(directions(MOST_NEIGHBOURS), np.tile([1.0, 0.0, 0.0], (MOST_NEIGHBOURS, 1)))
    sizes = [np.abs(memory.local_rates(near(similarity), BASE).contrasts) for similarity in (1, 0.8, 0.3, -1)]
    for nearer, farther in pairwise(sizes):
        assert (farther <= nearer + 1e-9).all()
    assert sizes[0].max() > 1
    assert sizes[-1].max() < 0.05


@pytest.mark.parametrize("fill", [0.0, 1.0])
@pytest.mark.parametrize("own", [0.0, -4.0, 4.0])
def test_a_vlm_without_outcomes_nearby_stays_at_its_base_rate(fill, own):
    """However hard or easy the neighbourhood is for the others."""
    outcomes = np.full((MOST_NEIGHBOURS, 3), fill)
    outcomes[:, 2] = np.nan
    local = remember(directions(MOST_NEIGHBOURS), outcomes).local_rates(near(1.0), np.array([0.5, 0.0, own]))
    assert np.abs(local.levels).max() > 1
    np.testing.assert_allclose(local.contrasts[:, 2], 0, atol=1e-5)


def test_unknown_outcomes_are_as_if_the_query_were_not_there(random_memory):
    vectors, memory = random_memory
    outcomes = memory.outcomes.copy()
    outcomes[::2] = np.nan
    masked, _ = rates(memory.with_outcomes(outcomes), vectors[:20])
    found = memory.search(queries_of(vectors[:20]).embeddings)
    there = found._replace(rows=np.where(found.rows % 2 == 1, found.rows, -1))
    without = memory.local_rates(there, BASE)
    np.testing.assert_allclose(masked.contrasts, without.contrasts, atol=1e-5)
    np.testing.assert_allclose(masked.levels, without.levels, atol=1e-5)


def test_an_unknown_outcome_is_not_a_wrong_one():
    outcomes = np.tile([1.0, 0.0, 1.0], (MOST_NEIGHBOURS, 1))
    outcomes[1::2, 0] = np.nan
    local = remember(directions(MOST_NEIGHBOURS), outcomes).local_rates(near(1.0), np.zeros(3))
    assert (local.contrasts[0, 0] > 0.75 * local.contrasts[0, 2]).all()
    assert (local.contrasts[0, 0] > local.contrasts[0, 1]).all()


def test_the_outcomes_of_another_pool(random_memory):
    vectors, memory = random_memory
    before, _ = rates(memory, vectors[:9])
    more = np.concatenate([memory.outcomes, 1 - memory.outcomes[:, :1]], axis=1)
    other = memory.with_outcomes(more)
    after, _ = rates(other, vectors[:9], [*BASE, 0.5])
    assert (other.ids, other.index) == (memory.ids, memory.index)
    assert after.contrasts.shape == (9, 4, len(KERNELS))
    opposite = after.contrasts[:, 0, NARROWEST] * after.contrasts[:, 3, NARROWEST]
    assert (opposite < 0).all()
    again, _ = rates(memory, vectors[:9])  # the first memory stays as it is
    np.testing.assert_array_equal(again.contrasts, before.contrasts)


def test_a_query_by_itself_is_as_in_a_batch(random_memory):
    vectors, memory = random_memory
    queries = vectors[:30] + 0.05
    batch, batch_novelty = rates(memory, queries)
    for row in (0, 7, 29):
        single, single_novelty = rates(memory, queries[row : row + 1])
        np.testing.assert_allclose(single.contrasts[0], batch.contrasts[row], atol=1e-4)
        np.testing.assert_allclose(single.levels[0], batch.levels[row], atol=1e-4)
        assert single_novelty[0] == pytest.approx(batch_novelty[row], abs=1e-5)


def test_novelty():
    copies = np.repeat(directions(8), 12, axis=0)
    memory = remember(copies, np.ones((len(copies), 3)))
    steps = [copies[:1], copies[:1] + 0.05, copies[:1] + 0.3, np.ones((1, 32))]
    found = [float(rates(memory, vectors)[1][0]) for vectors in steps]
    assert found[0] == pytest.approx(0, abs=2e-3)
    assert found == sorted(found)
    assert found[-1] > 0.3


def test_what_all_embeddings_share_does_not_count(random_memory):
    """They are centred, questions and pictures each, so a common part makes no query familiar."""
    vectors, memory = random_memory
    queries, moved = queries_of(vectors + 0.1), queries_of(vectors + 0.1)
    train = label_vectors(vectors, memory.outcomes)
    for data in (moved, train.queries):
        data.embeddings.text[:] += np.linspace(-3, 5, 32, dtype=np.float32)
        data.embeddings.image[:] -= 7
    other = Memory.of(train, "flat")
    np.testing.assert_allclose(
        novelty(other.search(moved.embeddings)), novelty(memory.search(queries.embeddings)), atol=1e-3
    )


def test_no_queries(random_memory):
    _, memory = random_memory
    local, new = rates(memory, np.empty((0, 32)))
    assert local.contrasts.shape == (0, 3, len(KERNELS))
    assert local.levels.shape == (0, len(KERNELS))
    assert new.shape == (0,)


def test_a_memory_smaller_than_a_neighbourhood():
    vectors = directions(4)
    local, new = rates(remember(vectors, np.array([[1, 0], [0, 1], [1, 1], [0, 0]])), vectors, [0.0, 0.0])
    assert np.isfinite(local.contrasts).all()
    assert np.isfinite(new).all()
    assert local.contrasts[0, 0, NARROWEST] > local.contrasts[0, 1, NARROWEST]


def test_as_tensors_and_back(random_memory):
    vectors, memory = random_memory
    memory.outcomes[3, 1] = np.nan
    read = memory_from_tensors(memory_tensors(memory), "flat")
    assert (read.ids, read.index) == (memory.ids, "flat")
    np.testing.assert_array_equal(read.outcomes, memory.outcomes)
    for ours, theirs in zip(rates(read, vectors), rates(memory, vectors), strict=True):
        np.testing.assert_array_equal(ours[0], theirs[0])
        np.testing.assert_array_equal(ours[1], theirs[1])


def some_without(vectors, blank):
    """Queries whose embeddings of pictures are zeros where they have none."""
    queries = queries_of(vectors)
    queries.embeddings.image[blank] = 0
    return queries


@pytest.fixture
def mixed_memory():
    """Of 200 training queries every fourth one has no picture."""
    vectors, blank = directions(200), np.arange(200) % 4 == 0
    outcomes = draw(np.full((200, 3), 0.5), 1)
    return vectors, blank, Memory.of(label(some_without(vectors, blank), outcomes), "flat")


def test_queries_without_a_picture_find_each_other(mixed_memory):
    """Unrelated questions are about as like as the mean of both sides: alike in having no picture, else not."""
    _, blank, memory = mixed_memory
    asked = directions(40, seed=9)
    without = memory.search(some_without(asked, np.full(40, True)).embeddings)
    with_one = memory.search(some_without(asked, np.full(40, False)).embeddings)
    count = int(blank.sum())
    assert blank[without.rows[:, :count]].all()
    assert not blank[with_one.rows[:, 0]].all()
    np.testing.assert_allclose(without.similarity[:, :count].mean(), 0.5, atol=0.1)


def test_a_question_without_a_picture_finds_its_copy(mixed_memory):
    vectors, blank, memory = mixed_memory
    found = memory.search(some_without(vectors, blank).embeddings)
    assert found.rows[:, 0].tolist() == list(range(200))
    np.testing.assert_allclose(found.similarity[:, 0], 1, atol=2e-3)


def test_only_pictures_that_are_there_have_a_centre(mixed_memory):
    vectors, blank, memory = mixed_memory
    np.testing.assert_allclose(memory.centres[1], vectors[~blank].mean(axis=0), atol=1e-6)
    assert memory.vectors.shape == (200, 2 * 32 + 1)
    assert ((memory.vectors[:, -1] > 0) == blank).all()
    assert not memory.vectors[blank, 32:64].any()


def test_where_all_have_a_picture_nothing_marks_those_without(random_memory):
    """The vectors are as they were before queries without pictures; one such is like others in its words only."""
    vectors, memory = random_memory
    assert memory.vectors.shape == (200, 2 * 32)
    found = memory.search(some_without(vectors[:9], np.full(9, True)).embeddings)
    assert found.rows[:, 0].tolist() == list(range(9))
    np.testing.assert_allclose(found.similarity[:, 0], 0.5, atol=1e-2)


def test_no_query_has_a_picture():
    vectors = directions(100)
    memory = Memory.of(label(some_without(vectors, np.full(100, True)), draw(np.full((100, 3), 0.5), 1)), "flat")
    found = memory.search(some_without(vectors, np.full(100, True)).embeddings)
    assert found.rows[:, 0].tolist() == list(range(100))
    np.testing.assert_allclose(found.similarity[:, 0], 1, atol=2e-3)
    assert np.isfinite(memory.search(queries_of(vectors[:3]).embeddings).similarity).all()


def test_a_memory_with_queries_without_a_picture_as_tensors_and_back(mixed_memory):
    vectors, blank, memory = mixed_memory
    read = memory_from_tensors(memory_tensors(memory), "flat")
    embeddings = some_without(vectors, blank).embeddings
    for ours, theirs in zip(read.search(embeddings), memory.search(embeddings), strict=True):
        np.testing.assert_array_equal(ours, theirs)

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from arms.errors import ArmsError
from arms.extension import plan
from arms.extension.plan import plan_queries, plan_table
from arms.routers.saved import load_router
from tests.cached import MADE, SPLIT_OF, make_prepared, write_cached
from tests.safe.made import clusters, directions, draw, remember

IMAGES = Path("data/raw/tiny")


@pytest.fixture(scope="module")
def router(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cached")
    write_cached(folder)
    return load_router(folder / "data/routers/arms-base", device="cpu")


@pytest.fixture
def memory():
    vectors, _ = clusters(90, seed=3, num_clusters=5)
    return remember(vectors, draw(np.full((90, 4), 0.5), seed=4))


def test_every_prefix_is_a_plan(memory):
    whole = plan_queries(memory, 90)
    for number in (0, 1, 7, 40):
        np.testing.assert_array_equal(plan_queries(memory, number), whole[:number])


def test_no_query_twice_and_none_left_out(memory):
    assert sorted(plan_queries(memory, 90)) == list(range(90))
    np.testing.assert_array_equal(plan_queries(memory, 1000), plan_queries(memory, 90))


def test_the_first_is_the_most_central_query(memory):
    likeness = np.exp((memory.vectors @ memory.vectors.T - 1) / plan._BANDWIDTH)
    assert plan_queries(memory, 1).tolist() == [likeness.mean(axis=1).argmax()]


def test_each_choice_brings_the_plan_nearest_to_all_queries(memory):
    """In the kernel's space; there all queries have the same norm, so the herding step is the nearest mean's."""
    likeness = np.exp((memory.vectors @ memory.vectors.T - 1) / plan._BANDWIDTH).astype(np.float64)
    np.fill_diagonal(likeness, 1.0)
    chosen = plan_queries(memory, 12).tolist()

    def distance(rows):
        return likeness[np.ix_(rows, rows)].mean() - 2 * likeness[rows].mean()

    for count in range(12):
        before, free = chosen[:count], sorted(set(range(90)) - set(chosen[:count]))
        assert distance(chosen[: count + 1]) <= min(distance([*before, row]) for row in free) + 1e-5


def test_each_kind_of_query_has_its_share():
    sizes = np.array([80, 40, 24, 16])
    cluster = np.repeat(np.arange(4), sizes)
    vectors = np.eye(16)[cluster] + 0.02 * np.random.default_rng(0).normal(size=(160, 16))
    chosen = plan_queries(remember(vectors, np.zeros((160, 2))), 40)
    assert cluster[chosen[0]] == 0
    assert set(cluster[chosen[:8]]) == {0, 1, 2, 3}
    np.testing.assert_allclose(np.bincount(cluster[chosen], minlength=4), sizes / 4, atol=2)


def test_the_same_queries_in_another_order(memory):
    order = np.random.default_rng(5).permutation(90)
    vectors, _ = clusters(90, seed=3, num_clusters=5)
    other = remember(vectors[order], memory.outcomes[order])
    np.testing.assert_array_equal(order[plan_queries(other, 20)], plan_queries(memory, 20))


def test_copies_wait_until_all_others_are_there():
    memory = remember(np.repeat(directions(8), 5, axis=0), np.zeros((40, 2)))
    chosen = plan_queries(memory, 40)
    assert sorted(chosen[:8] // 5) == list(range(8))
    assert len(set(chosen)) == 40


def test_of_many_queries_a_part_stands_for_all(memory, monkeypatch):
    monkeypatch.setattr(plan, "_MOST_QUERIES", 60)
    assert sorted(plan_queries(memory, 90)) == list(range(90))
    np.testing.assert_array_equal(plan_queries(memory, 30), plan_queries(memory, 90)[:30])


class TestTable:
    def test_it_has_what_a_vlm_is_asked(self, router):
        table = plan_table(router, "mine", make_prepared(), IMAGES, 1000)
        assert list(table.columns) == ["query_id", "images", "question"]
        rows = [int(query_id[1:]) for query_id in table["query_id"]]
        assert sorted(rows) == [row for row in range(len(MADE.questions)) if SPLIT_OF[row % 6] == "train"]
        assert table["images"].tolist() == [[f"data/raw/tiny/images/{row}.png"] for row in rows]
        assert table["question"].tolist() == [MADE.questions[row] for row in rows]

    def test_the_order_is_the_plans(self, router):
        table = plan_table(router, "mine", make_prepared(), IMAGES, 5)
        assert table["query_id"].tolist() == [router.memory.ids[row] for row in plan_queries(router.memory, 5)]

    def test_a_router_that_remembers_nothing(self, router):
        with pytest.raises(ArmsError, match=r"mine: expected a safe router, .* got ArmsRouter; name one, such as"):
            plan_table(router.net, "mine", make_prepared(), IMAGES, 5)

    def test_another_dataset(self, router):
        prepared = make_prepared()
        queries = prepared.queries.assign(
            split=["val" if query == "q0" else "train" for query in prepared.queries["query_id"]]
        )
        with pytest.raises(ArmsError, match=r"mine: expected its 36 training queries .*, 1 are missing, such as 'q0'"):
            plan_table(router, "mine", replace(prepared, queries=queries), IMAGES, 5)

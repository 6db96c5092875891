from typing import Any

import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from arms.data.splits import assign_splits, image_uniform
from arms.errors import ArmsError


def table(rows: list[tuple[int, str, str]]) -> pd.DataFrame:
    """Queries from (image number, benchmark, task)."""
    return pd.DataFrame(
        {
            "image_sha256": [f"{image:064x}" for image, _, _ in rows],
            "benchmark": [benchmark for _, benchmark, _ in rows],
            "task": [task for _, _, task in rows],
        }
    )


def split(queries: pd.DataFrame, **settings: Any) -> pd.Series:
    return assign_splits(
        queries,
        **{"val_share": 0.1, "id_share": 0.2, "seed": 1, "ood_benchmarks": [], "ood_tasks": [], **settings},
    )


queries = st.lists(
    st.tuples(st.integers(0, 15), st.sampled_from(["a", "b"]), st.sampled_from(["t", "u"])), min_size=1, max_size=40
)
quick = settings(deadline=None, max_examples=80)


def try_split(rows: list[tuple[int, str, str]], **settings: Any) -> pd.Series:
    try:
        return split(table(rows), **settings)
    except ArmsError as error:
        assume("no query is left for training" not in str(error))
        raise


@quick
@given(queries, st.integers(0, 3))
def test_queries_that_share_an_image_share_a_split(rows: list[tuple[int, str, str]], seed: int) -> None:
    frame = table(rows)
    result = try_split(rows, seed=seed)
    assert (result.groupby(frame["image_sha256"]).nunique() == 1).all()


@quick
@given(queries, queries)
def test_adding_queries_changes_no_split(before: list[tuple[int, str, str]], added: list[tuple[int, str, str]]) -> None:
    first = try_split(before)
    assert split(table(before + added)).iloc[: len(before)].tolist() == first.tolist()


@quick
@given(queries, st.randoms(use_true_random=False))
def test_reordering_queries_reorders_splits(rows: list[tuple[int, str, str]], random: Any) -> None:
    result = try_split(rows)
    order = list(range(len(rows)))
    random.shuffle(order)
    frame = table(rows).iloc[order]
    shuffled = split(frame)
    assert shuffled.index.tolist() == order
    assert shuffled.tolist() == result.iloc[order].tolist()


@quick
@given(queries)
def test_no_held_out_image_outside_ood(rows: list[tuple[int, str, str]]) -> None:
    assume(any(benchmark == "b" for _, benchmark, _ in rows))
    frame = table(rows)
    result = try_split(rows, ood_benchmarks=["b"])
    held_out = frame["benchmark"] == "b"
    assert ((result == "ood") == held_out).all()
    of_held_out_image = frame["image_sha256"].isin(frame.loc[held_out, "image_sha256"])
    assert ((result == "excluded") == (of_held_out_image & ~held_out)).all()


@quick
@given(queries, st.floats(0, 0.4), st.floats(0, 0.4))
def test_raising_a_share_only_moves_images_into_it(rows: list[tuple[int, str, str]], low: float, more: float) -> None:
    small = try_split(rows, id_share=low, val_share=0)
    large = try_split(rows, id_share=low + more, val_share=0)
    assert (large[small == "id"] == "id").all()


def test_shares() -> None:
    result = split(table([(image, "a", "t") for image in range(20_000)]), val_share=0.1, id_share=0.2)
    shares = result.value_counts(normalize=True)
    assert shares["id"] == pytest.approx(0.2, abs=0.01)
    assert shares["val"] == pytest.approx(0.1, abs=0.01)
    assert shares["train"] == pytest.approx(0.7, abs=0.01)
    assert result.name == "split"


def test_seed_changes_the_splits() -> None:
    frame = table([(image, "a", "t") for image in range(200)])
    assert (split(frame, seed=1) != split(frame, seed=2)).any()
    assert (split(frame, seed=1) == split(frame, seed=1)).all()


def test_places_are_fixed_for_good() -> None:
    # sha256(b"1:ab") opens so. A change here would move images between the splits of every study made before.
    assert image_uniform("ab", 1) == (0x78901C91D9FE6A7D >> 11) / 2**53


def test_held_out_benchmarks_and_tasks() -> None:
    frame = table([(1, "a", "t"), (2, "b", "t"), (2, "a", "t"), (3, "a", "u"), (3, "a", "t"), (4, "a", "t")])
    result = split(frame, val_share=0, id_share=0, ood_benchmarks=["b"], ood_tasks=["u"])
    assert result.tolist() == ["train", "ood", "excluded", "ood", "excluded", "train"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ood_benchmarks": ["c"]}, "ood: no query has the held-out benchmark 'c'; known: a, b"),
        ({"ood_tasks": ["c"]}, "ood: no query has the held-out task 'c'; known: t, u"),
        ({"val_share": -0.1}, r"splits.val_share: expected a share >= 0 and < 1, got -0.1"),
        ({"id_share": 1.0}, r"splits.id_share: expected a share >= 0 and < 1, got 1.0"),
        ({"id_share": float("nan")}, r"splits.id_share: expected a share >= 0 and < 1, got nan"),
        ({"val_share": 0.5, "id_share": 0.5}, r"expected val_share \+ id_share < 1, got 0.5 \+ 0.5"),
        ({"ood_benchmarks": ["a", "b"]}, r"splits: no query is left for training \(of 2: \{'ood': 2\}\)"),
    ],
)
def test_errors(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ArmsError, match=message):
        split(table([(1, "a", "t"), (2, "b", "u")]), **settings)

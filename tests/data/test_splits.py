from typing import Any

import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from arms.data.splits import assign_splits, scene_uniform
from arms.errors import ArmsError
from arms.params.data import OodParams, SplitParams


def table(rows: list[tuple[int, str, str]]) -> pd.DataFrame:
    """Queries from (scene number, benchmark, task)."""
    return pd.DataFrame(
        {
            "scene": [f"{scene:064x}" for scene, _, _ in rows],
            "benchmark": [benchmark for _, benchmark, _ in rows],
            "task": [task for _, _, task in rows],
        }
    )


def split(queries: pd.DataFrame, **settings: Any) -> pd.Series:
    held_out = {name: settings.pop(f"ood_{name}", []) for name in ("benchmarks", "tasks")}
    drawn = {"by": "scene", "similarity": 0.98, "thumbnail_side": 32, "val_share": 0.1, "id_share": 0.2, "seed": 1}
    return assign_splits(queries, OodParams(**held_out), SplitParams(**{**drawn, **settings}))


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
def test_queries_of_one_scene_share_a_split(rows: list[tuple[int, str, str]], seed: int) -> None:
    frame = table(rows)
    result = try_split(rows, seed=seed)
    assert (result.groupby(frame["scene"]).nunique() == 1).all()


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
def test_no_held_out_scene_outside_ood(rows: list[tuple[int, str, str]]) -> None:
    assume(any(benchmark == "b" for _, benchmark, _ in rows))
    frame = table(rows)
    result = try_split(rows, ood_benchmarks=["b"])
    held_out = frame["benchmark"] == "b"
    assert ((result == "ood") == held_out).all()
    of_held_out_scene = frame["scene"].isin(frame.loc[held_out, "scene"])
    assert ((result == "excluded") == (of_held_out_scene & ~held_out)).all()


@quick
@given(queries, st.floats(0, 0.4), st.floats(0, 0.4))
def test_raising_a_share_only_moves_scenes_into_it(rows: list[tuple[int, str, str]], low: float, more: float) -> None:
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
    # sha256(b"1:ab") opens so. A change here would move scenes between the splits of every study made before.
    assert scene_uniform("ab", 1) == (0x78901C91D9FE6A7D >> 11) / 2**53


def test_held_out_benchmarks_and_tasks() -> None:
    frame = table([(1, "a", "t"), (2, "b", "t"), (2, "a", "t"), (3, "a", "u"), (3, "a", "t"), (4, "a", "t")])
    result = split(frame, val_share=0, id_share=0, ood_benchmarks=["b"], ood_tasks=["u"])
    assert result.tolist() == ["train", "ood", "excluded", "ood", "excluded", "train"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ood_benchmarks": ["c"]}, "ood: no query has the held-out benchmark 'c'; known: a, b"),
        ({"ood_tasks": ["c"]}, "ood: no query has the held-out task 'c'; known: t, u"),
        ({"val_share": 0.5, "id_share": 0.5}, r"expected val_share \+ id_share < 1, got 0.5 \+ 0.5"),
        ({"ood_benchmarks": ["a", "b"]}, r"splits: no query is left for training \(of 2: \{'ood': 2\}\)"),
    ],
)
def test_errors(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ArmsError, match=message):
        split(table([(1, "a", "t"), (2, "b", "u")]), **settings)


def recorded(*names: str | None) -> pd.DataFrame:
    """Queries of one scene each with their recorded splits."""
    frame = table([(scene, "a", "t") for scene in range(len(names))])
    return frame.assign(query_id=[f"q{row}" for row in range(len(names))], split=pd.Series(names, dtype="str"))


def test_recorded_splits_are_kept_to_the_query() -> None:
    names = ["id", "train", "val", "ood", "train"]
    assert split(recorded(*names), by="recorded", val_share=0.5).tolist() == names
    assert split(recorded("train", "test", "validation", "dev"), by="recorded").tolist() == [
        "train",
        "id",
        "val",
        "val",
    ]


def test_val_is_cut_from_the_recorded_train_split_by_scene() -> None:
    frame = recorded(*["train"] * 2000, *["id"] * 500)
    frame["scene"] = [f"{row // 2}" for row in range(2500)]
    result = split(frame, by="recorded", val_share=0.1)
    assert (result[frame["split"] == "id"] == "id").all()
    assert (result == "val").sum() == pytest.approx(200, abs=40)
    assert (result.groupby(frame["scene"]).nunique() == 1).all()


@pytest.mark.parametrize(
    ("frame", "settings", "message"),
    [
        (recorded("train").drop(columns="split"), {}, "splits.by: recorded: expected a column split"),
        (recorded("train", "check", None), {}, r"got 'check', none \(2 queries, first 'q1'\)"),
        (recorded("train"), {"ood_tasks": ["t"]}, "ood: expected no benchmark and no task.* got t; empty both lists"),
        (recorded("id"), {}, "no query is left for training"),
    ],
)
def test_errors_of_recorded_splits(frame: pd.DataFrame, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ArmsError, match=message):
        split(frame, by="recorded", **settings)

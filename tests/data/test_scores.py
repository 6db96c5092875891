"""Score tables: what they refuse, and that they come back from disk as they were."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from arms.data.parquet import write_parquet
from arms.data.scores import Scores, read_scores, write_scores
from arms.errors import ArmsError

CASCADE = {"name": "cascade", "theta": 0.5, "pools": [["small-2b"], ["large-7b"]]}


def make(**changes):
    given = {
        "router": "arms",
        "pool": "extended",
        "query_ids": ("q1", "q2", "q3"),
        "vlms": ("small-2b", "gpt-4.1/mini"),
        "confidence": np.array([[0.1, 0.9], [0.0, 1.0], [1 / 3, 0.5]], dtype=np.float32),
        "policy": CASCADE,
    }
    return Scores(**(given | changes))


def test_round_trip_keeps_everything(tmp_path):
    path = tmp_path / "base=1" / "arms.parquet"  # a folder that looks like a partition is only a folder
    write_scores(make(), path)
    back = read_scores(path)
    assert (back.router, back.pool, back.query_ids, back.vlms) == ("arms", "extended", ("q1", "q2", "q3"), make().vlms)
    assert back.policy == CASCADE
    assert back.confidence.dtype == np.float32
    np.testing.assert_array_equal(back.confidence, make().confidence)


def test_routers_with_the_same_queries_hold_their_names_once(tmp_path):
    write_scores(make(), tmp_path / "arms.parquet")
    one, other = (read_scores(tmp_path / "arms.parquet") for _ in range(2))
    assert one.query_ids is other.query_ids


def test_table_is_wide_and_reads_with_pandas(tmp_path):
    write_scores(make(), tmp_path / "arms.parquet")
    table = pq.read_table(tmp_path / "arms.parquet")
    assert table.column_names == ["query_id", "small-2b", "gpt-4.1/mini"]
    assert table.schema.field("small-2b").type == pa.float32()
    assert list(table.to_pandas()["query_id"]) == ["q1", "q2", "q3"]


def test_no_queries_round_trip(tmp_path):
    write_scores(make(query_ids=(), confidence=np.zeros((0, 2), np.float32)), tmp_path / "empty.parquet")
    assert read_scores(tmp_path / "empty.parquet").confidence.shape == (0, 2)


def test_equal_scores_give_equal_bytes(tmp_path):
    write_scores(make(), tmp_path / "a.parquet")
    write_scores(make(policy=dict(reversed(CASCADE.items()))), tmp_path / "b.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.parquet", "b.parquet"]


def test_accepts_numpy_names_and_float64():
    scores = make(query_ids=np.array(["q1", "q2", "q3"]), confidence=np.full((3, 2), 0.25))
    assert scores.query_ids == ("q1", "q2", "q3")
    assert all(type(query_id) is str for query_id in scores.query_ids)
    assert scores.confidence.dtype == np.float32


def test_scores_do_not_change_with_what_they_were_made_from():
    confidence = np.full((3, 2), 0.25, dtype=np.float32)
    policy = {"name": "cascade", "theta": 0.5, "pools": [["small-2b"], ["large-7b"]]}
    scores = make(confidence=confidence, policy=policy)
    confidence[:] = 1
    policy["pools"].append(["other"])
    assert scores.confidence.max() == 0.25
    assert scores.policy == CASCADE
    with pytest.raises(ValueError, match="read-only"):
        scores.confidence[0, 0] = 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"router": ""}, "router's name"),
        ({"pool": "huge"}, "unknown pool 'huge'; known: base, extended"),
        ({"query_ids": ("q1", "q2", "q1")}, r"query_ids: expected each name once, got 1 again: 'q1'"),
        ({"query_ids": ("q1", "q2", 3)}, "query_ids: expected non-empty strings, got 3"),
        ({"vlms": ("a", "a")}, r"vlms: expected each name once"),
        ({"vlms": ("a", "query_id")}, "none named 'query_id'"),
        ({"vlms": (), "confidence": np.zeros((3, 0))}, "at least one VLM"),
        ({"confidence": np.zeros((2, 3))}, r"expected floats of shape \(3, 2\).*got float64 of shape \(2, 3\)"),
        ({"confidence": np.zeros((3, 2), int)}, "got int64"),
        ({"confidence": np.array([[0, 0], [0, 1.5], [0, 0]])}, "got 1.5 for query 'q2' and VLM 'gpt-4.1/mini'"),
        ({"confidence": np.full((3, 2), np.nan)}, r"got nan for query 'q1'.*\(6 such values\)"),
        ({"policy": {"theta": 0.5}}, "expected a dict with its 'name'"),
        ({"policy": {"name": "cascade", "theta": float("nan")}}, "only what JSON can hold"),
        ({"policy": {"name": "argmax", "fn": make}}, "only what JSON can hold"),
    ],
)
def test_refuses(changes, message):
    with pytest.raises(ValueError, match=message):
        make(**changes)


def test_at_orders_by_query_id_not_by_position():
    scores = make()
    np.testing.assert_array_equal(scores.at(["q3", "q1", "q3"]), scores.confidence[[2, 0, 2]])
    np.testing.assert_array_equal(scores.at(np.array(["q2"], dtype=object)), scores.confidence[[1]])
    assert scores.at([]).shape == (0, 2)


def test_at_names_the_first_missing_queries():
    with pytest.raises(ArmsError, match=r"expected scores for all 7 queries, 6 have none: 'x0', .*'x4', \.\.\.;"):
        make().at(["q1", *(f"x{i}" for i in range(6))])


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ArmsError, match=r"none.parquet: expected a score table, got no such file"):
        read_scores(tmp_path / "none.parquet")


def test_a_file_that_is_no_parquet_is_named(tmp_path):
    (tmp_path / "bad.parquet").write_bytes(b"query_id,a\nq1,0.5\n")
    with pytest.raises(ArmsError, match=r"bad.parquet: expected a score table, could not read it as Parquet"):
        read_scores(tmp_path / "bad.parquet")


def test_other_parquet_is_named(tmp_path):
    write_parquet(pa.table({"query_id": ["q1"], "vlm": ["a"]}), tmp_path / "outcomes.parquet")
    with pytest.raises(ArmsError, match=r"outcomes.parquet: .*other Parquet \(query_id, vlm\)"):
        read_scores(tmp_path / "outcomes.parquet")


def test_a_table_that_another_program_wrote_is_refused(tmp_path):
    write_scores(make(), tmp_path / "arms.parquet")
    pq.write_table(pq.read_table(tmp_path / "arms.parquet"), tmp_path / "again.parquet")
    with pytest.raises(ArmsError, match=r"again.parquet: expected a score table with a checksum over the whole file"):
        read_scores(tmp_path / "again.parquet")


def test_a_table_without_a_column_is_named(tmp_path):
    write_scores(make(), tmp_path / "arms.parquet")
    table = pq.read_table(tmp_path / "arms.parquet")
    write_parquet(table.drop_columns(["small-2b"]), tmp_path / "short.parquet")
    with pytest.raises(ArmsError, match=r"short.parquet: a damaged score table .*small-2b"):
        read_scores(tmp_path / "short.parquet")


def test_no_flipped_bit_gives_other_scores(tmp_path):
    """In confidences, page headers, names, the policy and the checksums themselves."""
    path = tmp_path / "arms.parquet"
    write_scores(make(), path)
    content = path.read_bytes()
    for bit in range(0, 8 * len(content), 7):  # each eighth byte's every bit comes up
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        with pytest.raises(ArmsError, match=r"arms.parquet.*run the stage that writes it again"):
            read_scores(path)


def test_who_was_asked_goes_round(tmp_path):
    asked = np.array([[True, False], [True, True]])
    scores = Scores("made", "base", ("x", "y"), ("a", "b"), np.full((2, 2), 0.5), {"name": "argmax"}, asked)
    write_scores(scores, tmp_path / "made.parquet")
    back = read_scores(tmp_path / "made.parquet")
    np.testing.assert_array_equal(back.asked, asked)
    np.testing.assert_array_equal(back.confidence, scores.confidence)
    assert back.rows_of(["y", "x", "y"]).tolist() == [1, 0, 1]


@pytest.mark.parametrize("asked", [np.ones((2, 3), dtype=bool), np.ones((2, 2))])
def test_asked_has_to_fit(asked):
    with pytest.raises(ValueError, match=r"scores of made \(base\)\.asked: expected bool of shape \(2, 2\)"):
        Scores("made", "base", ("x", "y"), ("a", "b"), np.full((2, 2), 0.5), {"name": "argmax"}, asked)

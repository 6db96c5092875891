import pandas as pd

from arms.importers.joined_runs import JoinedRuns, leave_out_disputed
from arms.importers.set_aside import SetAside


def rows(*cells: tuple[str, str, int, bool]) -> pd.DataFrame:
    return pd.DataFrame(cells, columns=["query_id", "vlm", "run", "known"]).astype({"run": int, "known": bool})


def kinds(aside: SetAside) -> dict[str, int]:
    return {found.kind: found.count for found in aside.findings()}


def test_the_newest_verdict_of_each_query() -> None:
    runs, aside = JoinedRuns(), SetAside()
    numbers = [runs.open("a", "mme", f"run {number}") for number in range(3)] + [runs.open("b", "pope", "run b")]
    assert numbers == [0, 1, 2, 3]
    table = rows(
        ("q0", "a", 2, True), ("q0", "a", 0, True), ("q0", "a", 1, True),
        ("q1", "a", 1, True), ("q1", "a", 2, True),
        ("q2", "a", 0, False), ("q2", "a", 2, True),
        ("q3", "a", 0, False), ("q3", "a", 1, False),
        ("q0", "b", 3, False), ("q0", "x", -1, False),
    )  # fmt: skip
    kept = table[runs.newest(table, aside)]
    expected = [("q0", 0), ("q1", 1), ("q2", 2), ("q3", 0), ("q0", 3), ("q0", -1)]
    assert list(zip(kept["query_id"], kept["run"], strict=True)) == expected
    (found,) = aside.findings()
    assert (found.kind, found.set_aside) == ("older run, joined by row", False)
    assert [row["detail"] for row in found.rows] == [
        "1 of 2 verdicts taken; the newest run of a is run 0",
        "1 of 3 verdicts taken; the newest run of a is run 0",
    ]


def test_rows_of_one_run_stay_together() -> None:
    """What contradicts itself in one run is left for validation to see."""
    runs = JoinedRuns()
    for where in ("new", "old"):
        runs.open("a", "mme", where)
    table = rows(("q0", "a", 0, True), ("q0", "a", 0, False), ("q0", "a", 1, True))
    assert runs.newest(table, SetAside()).tolist() == [True, True, False]


def test_runs_of_different_sizes() -> None:
    runs, aside = JoinedRuns(), SetAside()
    for vlm, part in (("a", "mme"), ("b", "mme"), ("c", "mme"), ("d", "pope"), ("e", "mme")):
        runs.open(vlm, part, f"{vlm}.jsonl")
    sizes = {0: 10, 1: 4, 2: 5, 3: 1}  # of e all rows were set aside
    table = rows(*((f"q{number}", "v", run, True) for run, size in sizes.items() for number in range(size)))
    assert runs.newest(table, aside).all()
    (found,) = aside.findings()
    assert found.rows == ({"where": "b.jsonl", "detail": "4 rows of b, 10 of a in a.jsonl"},)


def test_no_rows() -> None:
    runs = JoinedRuns()
    assert runs.newest(rows(), SetAside()).tolist() == []
    assert [runs.open("a", "mme", where) for where in ("new", "old")] == [0, 1]
    assert runs.newest(rows(), SetAside()).tolist() == []


def test_rows_that_share_a_key_and_disagree() -> None:
    aside = SetAside()
    there = [(1, "x", "row 1"), (2, "x", "row 2"), (1, "y", "row 3"), (2, "x", "row 4"), (None, "z", "row 5")]
    there += [(None, "w", "row 6"), (1, "x", "row 7")]
    kept = leave_out_disputed(
        there, lambda row: row[0], lambda row: row[1], lambda row: row[2], aside, called="index"
    )  # fmt: skip
    assert kept == [there[1], there[3], there[4], there[5]]
    assert kinds(aside) == {"rows of one index that disagree": 3}
    assert [row["where"] for row in aside.findings()[0].rows] == ["row 1", "row 3", "row 7"]

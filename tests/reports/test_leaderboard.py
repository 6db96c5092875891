from arms.evaluation.leaderboard import beaten, leaderboard
from arms.reports.leaderboard import beats_table, leaderboard_table, routers_section, twins
from tests.evaluation.test_leaderboard import METRICS, PAIRS, TIMES
from tests.reports.made import studied


def test_table_leaves_out_what_nobody_has():
    table = leaderboard_table(leaderboard(METRICS, TIMES)["id"]["base"], {"good": "the good one"}).split("\n")
    assert (
        table[0] == "| router | EM | 95 % interval | EM, all queries | USD per 1,000 queries | Rank Score | fit, s | "
        "us per query, batch |"
    )
    assert table[2] == "| better | 0.900 | 0.890 to 0.910 | 0.850 | 0.500 | 61.2 | - | - |"
    assert table[4] == "| the good one | 0.800 | 0.790 to 0.810 | 0.750 | 0.500 | 61.2 | 1.3 | 1,234 |"


def test_who_beats_whom():
    here = beaten([pair | {"split": "id", "pool": "base"} for pair in PAIRS])
    table = beats_table(here["id"]["base"], ["better", "also good", "good"]).split("\n")
    assert table[2:] == [
        "| 1 better |   | + | + |",
        "| 2 also good | - |   |   |",
        "| 3 good | - |   |   |",
    ]


def test_section():
    pairs = [pair | {"split": "id", "pool": pool} for pair in PAIRS for pool in ("base", "extended")]
    sources = {"base": {"a": "recorded"}, "extended": {"a": "recorded", "b": "estimated", "c": "recorded"}}
    parts = routers_section(
        {"leaderboard": leaderboard(METRICS), "beaten": beaten(pairs), "sources": sources}, "figures"
    )
    text = "\n\n".join(parts)
    assert "recorded for a, c; estimated for b" in text
    assert "**In distribution, base pool**" in text
    assert "Out of distribution" not in text
    assert "![Cost against accuracy](figures/pareto.png)" in text
    assert routers_section({}, "figures") == []


def test_a_pool_without_complete_cases_shows_the_partial_replay():
    row = {"partial_em": 0.8, "partial_em_low": 0.79, "partial_em_high": 0.81, "partial_em_all": 0.75}
    board = {"id": {"extended": {"arms": row, "knn": row | {"partial_em": 0.7}}}}
    parts = routers_section({"leaderboard": board, "beaten": {}, "sources": {"extended": {}}}, "figures")
    head, table = parts[-2:]
    assert head == (
        "**In distribution, extended pool** (no answerable query has an outcome of every VLM: a partial replay, in "
        "which no routers are compared)"
    )
    assert table.splitlines()[2:] == [
        "| **arms** | 0.800 | 0.790 to 0.810 | 0.750 |",
        "| knn | 0.700 | 0.790 to 0.810 | 0.750 |",
    ]
    assert twins(board) == set()


def test_the_spread_over_seeds_is_beside_the_mean():
    text = "\n".join(routers_section(studied()["routers"], "figures"))
    assert "| router | EM | 95 % interval | EM by seed |" in text
    assert text.count("| **arms** | 0.700 | 0.600 to 0.800 | 0.690 to 0.710 (3) |") == 4
    assert text.count("| knn | 0.600 | 0.600 to 0.800 | - |") == 4, "it depends on no seed"


def test_the_strategy_that_arms_stands_for_has_no_row():
    row, other = {"em": 0.9, "em_low": 0.8, "em_high": 1.0, "fit_s": 3.0}, {"em": 0.8, "em_low": 0.7, "em_high": 0.9}
    board = {
        "id": {
            "base": {"arms": row, "incremental": other},
            "extended": {"arms": row, "incremental": row | {"fit_s": 2}},
        },
        "ood": {"base": {}, "extended": {}},
    }
    assert twins(board) == {"incremental"}
    text = "\n".join(routers_section({"leaderboard": board, "beaten": {}, "sources": {"extended": {}}}, "figures"))
    assert "incremental" not in text
    board["id"]["extended"]["incremental"] = other
    assert twins(board) == set()
    assert twins({"id": {"base": {}, "extended": {}}}) == set()

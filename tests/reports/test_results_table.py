import json

import pytest

from arms.data.sealed import seal_folder
from arms.errors import ArmsError
from arms.evaluation.metrics import PARTIAL
from arms.reports.results_table import read_files, read_metrics, results_table, shown_routers
from tests.reports.made import METRICS, replayed, summary

NONE = {**METRICS, "queries": 0}


def router(em, extended=None):
    """A router's metrics; `extended` is its EM on the extended pool, of the id split."""
    held_out = {"base": NONE, "extended": NONE}
    return {"id": {"base": METRICS | {"em": em}, "extended": METRICS | {"em": extended or em}}, "ood": held_out}


def test_the_chosen_strategy_is_plain_arms_and_has_no_row_of_its_own(tmp_path):
    plain = router(0.8, 0.9)
    plain["id"]["extended"] |= {"over_elo": 0.1}
    content = {
        "arms": router(0.85, 0.95),
        "plain": plain,
        "independent": router(0.7, 0.9),
        "incremental": router(0.8, 0.7),
        "vlms": {},
        "oracle": {},
    }
    assert list(shown_routers(content)) == ["arms", "plain", "incremental"]
    assert list(shown_routers({**content, "arms": plain})) == ["arms", "plain", "incremental"], "safe.use: false"
    for name, metrics in content.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(metrics))
    assert set(read_metrics(tmp_path)) == {"arms", "plain", "incremental"}
    assert set(shown_routers({"knn": router(0.5), "leaderboard": {}})) == {"knn"}, (
        "without plain ARMS nothing is its twin"
    )


def test_by_falling_em_with_the_references_beneath():
    text = results_table({"worse": router(0.6), "arms": router(0.8, 0.82)})
    assert text.startswith("**In distribution, base pool** (90 answerable of 100 queries)\n\n| router | EM |")
    assert text.index("| arms | 0.800 | 0.750 to 0.850 | 0.700 | +0.100 |") < text.index("| worse | 0.600 |")
    below = (
        "Best single VLM 0.700 (0.630 over all queries); oracle 1.000 (0.900 over all queries). ARMS over kNN +0.030"
    )
    assert f"{below} (-0.010 to +0.070)." in text
    assert "partial replay" not in text
    assert text.endswith("**Out of distribution, extended pool**: no answerable query in this split.\n")


def test_without_new_vlms_each_table_is_shown_once():
    text = results_table({"worse": router(0.6, 0.7), "arms": router(0.8)})
    assert "extended pool**" not in text
    assert text.endswith("\n\nNo VLM is new, so the extended pool is the base pool.\n")


def test_a_partial_replay_is_a_sentence_beneath():
    arms = router(0.8)
    partial = {f"partial_{name}": METRICS[name] for name in PARTIAL} | {"partial_em": 0.77, "partial_queries_all": 150}
    arms["id"]["base"] |= {"queries_incomplete": 50} | partial
    text = results_table({"arms": arms})
    assert "(90 answerable of 100 queries; 50 more lack an outcome of some VLM)" in text
    assert (
        "A partial replay, on 90 answerable of 150 queries, each with the VLMs whose outcome is known there, gives "
        "ARMS an EM of 0.770 (0.750 to 0.850) and a gain of +0.100 (+0.050 to +0.150)."
    ) in text


def test_without_complete_cases_the_table_is_of_a_partial_replay():
    made = replayed(summary(), ("extended",))
    text = results_table(shown_routers(made["metrics"]))
    head = (
        "**In distribution, extended pool** (no answerable query has an outcome of every VLM: a partial replay, on 90 "
        "answerable of 100 queries)"
    )
    assert head in text
    table = text[text.index(head) :]
    assert "| arms | 0.800 | 0.750 to 0.850 | 0.700 | +0.100 | +0.050 to +0.150 | - | 0.770 | 0.020 |" in table
    assert "Best single VLM 0.700 (0.630 over all queries).\n" in table


def test_no_metrics(tmp_path):
    with pytest.raises(ArmsError, match="expected metrics files, found none; run: dvc repro"):
        read_metrics(tmp_path)


def test_the_list_of_checksums_is_no_metrics(tmp_path):
    (tmp_path / "arms.json").write_text(json.dumps(METRICS))
    seal_folder(tmp_path)
    assert (tmp_path / "sha256.json").exists()
    assert read_files(tmp_path) == {"arms": METRICS}


def test_metrics_that_were_changed_or_are_no_json_are_named(tmp_path):
    (tmp_path / "knn.json").write_text("{")
    with pytest.raises(ArmsError, match=r"knn\.json: expected metrics, got something that is not JSON"):
        read_metrics(tmp_path)
    (tmp_path / "knn.json").write_text("{}")
    seal_folder(tmp_path)
    assert read_metrics(tmp_path) == {"knn": {}}
    (tmp_path / "knn.json").write_text("[]")
    with pytest.raises(ArmsError, match=r"knn\.json is damaged or was changed: .*; run: dvc repro evaluate"):
        read_metrics(tmp_path)

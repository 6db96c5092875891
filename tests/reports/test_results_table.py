import json

import pytest

from arms.errors import ArmsError
from arms.reports.results_table import read_metrics, results_table, shown_routers
from tests.reports.made import METRICS

NONE = {**METRICS, "queries": 0}


def router(em, extended=None):
    """A router's metrics; `extended` is its EM on the extended pool, of the id split."""
    held_out = {"base": NONE, "extended": NONE}
    return {"id": {"base": METRICS | {"em": em}, "extended": METRICS | {"em": extended or em}}, "ood": held_out}


def test_the_chosen_strategy_is_arms_and_has_no_row_of_its_own(tmp_path):
    arms = router(0.8, 0.9)
    arms["id"]["extended"] |= {"over_elo": 0.1}
    content = {"arms": arms, "independent": router(0.7, 0.9), "incremental": router(0.8, 0.7), "vlms": {}, "oracle": {}}
    assert list(shown_routers(content)) == ["arms", "incremental"]
    for name, metrics in content.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(metrics))
    assert set(read_metrics(tmp_path)) == {"arms", "incremental"}
    assert set(shown_routers({"knn": router(0.5), "leaderboard": {}})) == {"knn"}, "without ARMS nothing is its twin"


def test_by_falling_em_with_the_references_beneath():
    text = results_table({"worse": router(0.6), "arms": router(0.8)})
    assert text.startswith("**In distribution, base pool** (90 answerable of 100 queries)\n\n| router | EM |")
    assert text.index("| arms | 0.800 | 0.750 to 0.850 | +0.100 |") < text.index("| worse | 0.600 |")
    assert "Best single VLM 0.700; oracle 1.000. ARMS over kNN +0.030 (-0.010 to +0.070)." in text
    assert text.endswith("**Out of distribution, extended pool**: no answerable query in this split.\n")


def test_no_metrics(tmp_path):
    with pytest.raises(ArmsError, match="expected metrics files, found none; run: dvc repro"):
        read_metrics(tmp_path)

"""The page of results from made-up summaries."""

import json
import re

import pytest

from arms.errors import ArmsError
from arms.reports.results_page import PUBLISHED_ABLATION, read_summaries, results_page

METRICS = {
    "em": 0.8, "em_low": 0.75, "em_high": 0.85, "gain": 0.1, "gain_low": 0.05, "gain_high": 0.15, "gap_closed": 0.5,
    "em_all": 0.7, "auroc": 0.77, "ece_all": 0.02, "queries": 90, "queries_all": 100, "oracle_em": 1.0,
    "best_single_em": 0.7, "best_possible_em": None,
}  # fmt: skip
STATISTICS = {
    "split": "id", "benchmark": "all", "queries": 100, "images": 50, "languages": 1, "tasks": 2,
    "question_words": 6.5, "answerable_base": 90, "answerable_extended": 95, "known_outcomes": 400,
    "accuracy": {"a": 0.5, "b": None},
}  # fmt: skip


def spread(em, low=None, high=None):
    values = {"mean": em, "low": low or em, "high": high or em}
    return dict.fromkeys(("accuracy", "precision", "recall", "f1", "em"), values)


def extension(ood=True):
    margin, none = {"difference": -0.01, "low": -0.03, "high": 0.02}, dict.fromkeys(METRICS)
    strategy = {
        "seconds": 1.26,
        "metrics": {"id": METRICS, "ood": METRICS if ood else none},
        "over_phi_alone": {"id": margin, "ood": margin},
        "over_full": {"id": margin, "ood": margin},
        "new_share": {"id": 0.254, "ood": 0.254},
    }
    before = {"before": METRICS, "after": METRICS | {"em": 0.78}, "after_minus_before": margin}
    few = {"outcomes": 16, "split": "id", "mean": 0.7, "low": 0.68, "high": 0.72}
    return {
        "new": ["nova"],
        "strategies": {"incremental": strategy, "Phi alone": strategy},
        "forgotten": {"id": before, "ood": {"before": none}},
        "few-shot": [few | {"strategy": "kNN"}, few | {"strategy": "kNN", "outcomes": 0, "mean": 0.5}],
        "initial": [],
    }


def summary(ood=True, quick=False, extended=True):
    none = {**METRICS, "queries": 0}
    held_out = METRICS if ood else none
    router = {"id": {"base": METRICS, "extended": METRICS}, "ood": {"base": held_out, "extended": held_out}}
    behind = {"difference": 0.02, "low": -0.01, "high": 0.05}
    variant = {
        "id": spread(0.61, 0.6, 0.62),
        "ood": spread(0.5) if ood else {},
        "phi_minus_this": {"id": behind, "ood": behind if ood else None},
    }
    return {
        "quick": quick,
        "settings": {"encoders": "bundled", "epochs": 7, "seed": 1},
        "metrics": {"arms": router, "oracle": router, "vlms": {}},
        "statistics": [STATISTICS],
        "rescue": {"id": {}},
        "extension": extension(ood) if extended else {},
        "studies": {
            "ablation": {"full": variant, "one-expert": variant},
            "tuning": {"both-tuned": variant, "image-frozen": variant},
            "data": {"20": variant, "100": variant},
            "epochs": {"1": variant},
        },
    }


def page(**settings):
    return results_page({"mine": summary(**settings)}, {"mine": "Made up."})


def test_what_is_ours_stands_beside_what_was_published():
    (row,) = re.findall(r"^\| full \|.*0\.6\d\d.*$", page(ood=False), re.MULTILINE)
    f1, em = PUBLISHED_ABLATION["ablation"]["full"][-2:]
    assert row.endswith(f"| 0.610 (0.600 to 0.620) | +0.020 (-0.010 to +0.050) | {f1:.3f} | {em:.3f} |")
    (other,) = re.findall(r"^\| one-expert \|.*$", page(ood=False), re.MULTILINE)
    assert other.endswith("| 0.610 (0.600 to 0.620) | +0.020 (-0.010 to +0.050) |  |  |")
    assert re.search(r"^\| image-frozen \|.*\| 0\.645 \| 0\.535 \|$", page(ood=False), re.MULTILINE)
    assert "0.796 on id with the extended pool" in page()


def test_every_dataset_says_what_it_is():
    text = results_page({"a": summary(), "b": summary()}, {"a": "One.", "b": "Two."})
    assert text.index("## a\n\nOne. Encoders: bundled; 7 epochs;") < text.index("## b\n\nTwo. Encoders:")


def test_the_extension_has_its_tables():
    text = page()
    cells = "0.800 (0.750 to 0.850) | +0.100 (+0.050 to +0.150) | -0.010 (-0.030 to +0.020) | -0.010 (-0.030 to +0.020)"
    assert text.count(f"| incremental | {cells} | 25% | 1.3 |") == 2
    assert page(ood=False).count(f"| incremental | {cells}") == 1
    assert "on id 0.800 before, 0.780 after, -0.010 (-0.030 to +0.020)" in text
    assert text.index("| 0 | 0.500 (0.680 to 0.720) |") < text.index("| 16 | 0.700 (0.680 to 0.720) |")
    assert "Extending the pool" not in page(extended=False)


def test_a_dataset_whose_studies_were_not_run():
    alone = summary()
    alone["studies"] = {study: {} for study in alone["studies"]}
    text = results_page({"mine": alone}, {"mine": "Made up."})
    assert "### Ablation" not in text
    assert "ablation.png" not in text
    assert "### The dataset" in text


def test_a_dataset_without_held_out_queries():
    text = page(ood=False)
    assert "| epochs | id: accuracy | id: F1 | id: EM |" in text
    assert "| epochs | id: accuracy | id: F1 | id: EM | ood: accuracy | ood: F1 | ood: EM |" in page()


def test_a_quick_run_says_so():
    assert "mean nothing" in page(quick=True)
    assert "mean nothing" not in page()


def test_tables_have_as_many_cells_as_their_header():
    columns = None
    for line in page().splitlines():
        if not line.startswith("|"):
            columns = None
            continue
        assert columns in (None, line.count("|")), line
        columns = line.count("|")


def test_summaries_are_read_the_sample_first(tmp_path):
    for name in ("another", "sample", "blind"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "summary.json").write_text(json.dumps({"name": name}))
    assert list(read_summaries(tmp_path)) == ["sample", "another", "blind"]


def test_no_summary(tmp_path):
    with pytest.raises(ArmsError, match=r"expected <data>/summary\.json, found none; run: dvc repro studies/dvc\.yaml"):
        read_summaries(tmp_path)

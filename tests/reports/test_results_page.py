"""The page of all results from made-up summaries."""

import json

import pytest

from arms.errors import ArmsError
from arms.reports.results_page import benchmarks_page, read_summaries, results_page
from tests.reports.made import claim, replayed, studied, summary


def page(**summaries):
    return results_page(summaries, dict.fromkeys(summaries, "Made up."), folder="all", figure="figures/em.png")


def changed(split="id", pool="base", reference="best-single", verdict="level", **settings):
    """A summary with another claim about ARMS on one split and pool."""
    made = json.loads(json.dumps(studied(**settings)))  # parts of it are the same object
    made["routers"]["claims"][split][pool]["arms"][reference] = claim(verdict)
    return made


def test_a_row_for_each_split_and_pool():
    rows = [line for line in page(a=summary(), b=summary(ood=False)).splitlines() if line.startswith("| [")]
    assert [row.split(" | ")[:3] for row in rows] == [
        [f"| [{name}](all/{name}.md)", split, vlms]
        for name, split in (("a", "in distribution"), ("a", "out of distribution"), ("b", "in distribution"))
        for vlms in ("1, base", "2, extended")
    ]
    ours, single = "**0.800** (0.750 to 0.850); 0.700 | +0.100 (+0.050 to +0.150)", "0.800 (0.750 to 0.850); 0.700"
    assert rows[0].endswith(f"| {ours} | {single} | {single} | +0.030 (-0.010 to +0.070) | - |")


def test_an_extended_pool_without_a_new_vlm_has_no_row():
    made = summary(ood=False)
    made["metrics"]["vlms"]["id"]["extended"] = made["metrics"]["vlms"]["id"]["base"]
    assert page(a=made).count("| [a]") == 1


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (
            studied(),
            "ARMS is above the best single VLM throughout. It is level with kNN throughout. It is below logistic",
        ),
        (
            changed(),
            "above the best single VLM in distribution with the extended pool and out of distribution; level with",
        ),
        (changed(ood=False), "; level with it in distribution with the base pool."),
        (changed("ood", reference="knn", verdict="worse"), "; below it out of distribution with the base pool."),
    ],
)
def test_sentences_say_what_the_claims_allow(made, expected):
    assert expected in page(mine=made)


def test_a_pool_without_complete_cases_is_named_a_partial_replay():
    made = replayed(studied(ood=False), ("extended",))
    rows = [line for line in page(a=made).splitlines() if line.startswith("| [")]
    assert rows[1].startswith("| [a](all/a.md) | in distribution | 2, extended (partial replay) | **0.800** (0.750")
    assert rows[1].endswith("| - | - |"), "neither a margin over kNN nor a ceiling"
    assert "ARMS is above the best single VLM." in page(a=made), "only the base pool is compared"
    nowhere = page(a=replayed(summary(ood=False), ("base", "extended")))
    assert "No answerable query has an outcome of every VLM of a pool, so nothing is compared here." in nowhere


def test_without_the_study_of_routers_nothing_is_claimed():
    text = page(mine=summary())
    assert "Whether ARMS beats other routers was not studied" in text
    assert "ARMS is above" not in text
    assert "Does ARMS beat them?" not in text


def test_who_is_above_arms():
    made = studied(ood=False)
    made["routers"]["beaten"] = {"id": {"base": {"elo": ["arms", "knn"]}, "extended": {"arms": ["knn"]}}}
    found = (
        "Of the 2 other routers and references, 1 in distribution with the base pool are above ARMS; elsewhere none."
    )
    assert found in page(a=made)
    made["routers"]["beaten"] = {}
    assert "Of the 2 other routers and references, none is above ARMS." in page(a=made)


def test_links():
    text = page(a=studied(), b=studied())
    assert "- **[b](all/b.md)**: Made up. ARMS is" in text
    assert "[benchmarks](all/benchmarks.md)" in text
    assert "![EM of ARMS and of what it is compared with, on a](figures/em.png)" in text


def test_a_quick_run_says_so():
    assert "mean nothing" in page(a=summary(quick=True))
    assert "mean nothing" not in page(a=summary())


def test_benchmarks():
    text = benchmarks_page(["## One\n\nFast.\n", "## Two\n"], overview="../results.md")
    assert text.startswith("# Benchmarks\n\nThis page is generated; [all results](../results.md)")
    assert text.endswith("\n\n## One\n\nFast.\n\n## Two\n")


def test_summaries_are_read_the_sample_first(tmp_path):
    for name in ("another", "sample", "blind"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "summary.json").write_text(json.dumps({"name": name}))
    assert list(read_summaries(tmp_path)) == ["sample", "another", "blind"]


def test_no_summary(tmp_path):
    with pytest.raises(ArmsError, match=r"expected <data>/summary\.json, found none; run: dvc repro studies/dvc\.yaml"):
        read_summaries(tmp_path)

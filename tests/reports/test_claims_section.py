"""The answers to whether ARMS beats three plain routers."""

import json

from arms.reports.claims_section import arms_claims, claims_section
from tests.reports.made import studied, summary


def rows(text):
    return [line for line in text.splitlines() if line.startswith("| [")]


def test_a_row_for_each_split_and_pool():
    head, table = claims_section({"a": studied(), "b": studied(ood=False)}, "all")
    assert head.startswith("## Does ARMS beat them?")
    assert "| the best single VLM | kNN | logistic regression |" in table
    better, level = "**yes**, +0.100 (+0.050 to +0.150)", "**level**, +0.000 (-0.050 to +0.050)"
    answers = f"{better} | {level} | **worse**, -0.100 (-0.150 to -0.050)"
    assert rows(table)[0] == f"| [a](all/a.md) | in distribution | base | 3 | {answers} |"
    assert [row.split(" | ")[:3] for row in rows(table)] == [
        [f"| [{name}](all/{name}.md)", split, pool]
        for name, split in (("a", "in distribution"), ("a", "out of distribution"), ("b", "in distribution"))
        for pool in ("base", "extended")
    ]


def test_a_reference_that_was_not_fitted_has_a_dash():
    made = json.loads(json.dumps(studied(ood=False)))
    del made["routers"]["claims"]["id"]["base"]["arms"]["linear"]
    assert rows(claims_section({"a": made}, "all")[1])[0].endswith("| - |")


def test_an_extended_pool_without_a_new_vlm_has_no_row():
    made = studied(ood=False)
    made["metrics"]["vlms"]["id"]["extended"] = made["metrics"]["vlms"]["id"]["base"]
    assert len(rows(claims_section({"a": made}, "all")[1])) == 1


def test_where_routers_were_not_studied():
    assert claims_section({"a": summary()}, "all") == []
    assert arms_claims(summary() | {"routers": {}}, "id", "base") == {}
    assert arms_claims(studied(ood=False), "ood", "base") == {}

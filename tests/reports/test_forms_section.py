"""The tables by the form of the query."""

from arms.reports.forms_section import forms_section

EM = {"em": 0.8, "em_low": 0.7, "em_high": 0.9, "gain": 0.1, "gain_low": -0.05, "gain_high": 0.25, "queries": 40}


def test_a_row_for_each_form_split_and_pool() -> None:
    routers = {name: {"id": {"base": EM}, "ood": {}} for name in ("arms", "best-single", "linear")}
    head, text, table = forms_section({"one image": routers, "no image": routers})
    assert head == "## By the form of the query"
    assert "judged on queries of one form" in text
    header, _, *rows = table.splitlines()
    assert header.startswith(
        "| form | split | pool | queries | ARMS, EM | best single VLM | kNN | logistic regression |"
    )
    cells = "0.800 (0.700 to 0.900)"
    assert rows[1] == (
        f"| no image | In distribution | base pool | 40 | {cells} | {cells} | - | {cells} | +0.100 (-0.050 to +0.250) |"
    )
    assert len(rows) == 2


def test_nothing_where_all_queries_have_one_form() -> None:
    assert forms_section({}) == []

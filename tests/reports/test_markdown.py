import pytest

from arms.reports.markdown import interval, markdown_table, number, signed, with_interval

EM = {"em": 0.5, "em_low": 0.4, "em_high": 0.6, "gain": 0.1, "gain_low": -0.05, "gain_high": 0.25}


def test_table():
    rows = [["a", "b", "c"], ["1|2", "", "3"]]
    assert markdown_table(rows) == "| a | b | c |\n|---|---|---|\n| 1\\|2 |  | 3 |"
    assert markdown_table(rows[:1], left=1).splitlines()[1] == "|---|---:|---:|"


def test_a_row_of_another_length():
    with pytest.raises(ValueError, match="expected 2 cells in each row, got 1: alone"):
        markdown_table([["a", "b"], ["alone"]])
    with pytest.raises(ValueError, match="expected a header row, got no rows"):
        markdown_table([])


def test_numbers():
    assert (number(0.12345), number(0.5, 1), number(None)) == ("0.123", "0.5", "-")
    assert (signed(0.1), signed(-0.1), signed(None)) == ("+0.100", "-0.100", "-")
    assert with_interval(EM, "em") == "0.500 (0.400 to 0.600)"
    assert with_interval(EM, "gain", sign=True) == "+0.100 (-0.050 to +0.250)"
    assert interval(EM, "gain", sign=True) == "-0.050 to +0.250"

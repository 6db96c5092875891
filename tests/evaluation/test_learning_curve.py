import pytest

from arms.evaluation.learning_curve import Line, fit_line, queries_to_reach

QUERIES = [100, 400, 1600]


def test_the_line_is_found_again():
    line = Line(0.9, 3.0)
    found = fit_line(QUERIES, [line.at(count) for count in QUERIES])
    assert (found.limit, found.fall) == pytest.approx((0.9, 3.0))
    assert found.at(100) == pytest.approx(0.6)
    assert Line(0.9, 30.0).at(100) == 0


def test_two_numbers_of_queries_are_no_line():
    assert fit_line([100, 100, 400], [0.5, 0.6, 0.7]) is None


@pytest.mark.parametrize(
    ("own", "other", "expected"),
    [
        ([0.5, 0.7, 0.8], [0.6, 0.6, 0.6], 400),
        ([0.7, 0.7, 0.8], [0.6, 0.6, 0.6], 100),
        ([0.7, 0.5, 0.8], [0.6, 0.6, 0.8], 1600),  # not behind, behind, level
        ([0.5, 0.6, 0.65], [0.7, 0.7, 0.7], None),  # its line ends at 0.7
        ([0.4, 0.4, 0.4], [0.6, 0.6, 0.6], None),
        ([0.7, 0.7, 0.5], [0.6, 0.6, 0.6], None),  # falls
        ([0.3, 0.6, 0.69], [0.7, 0.7, 0.7], 1601),  # its line is above already
    ],
)
def test_from_how_many_queries_on(own, other, expected):
    assert queries_to_reach(QUERIES, own, other) == expected


def test_where_the_lines_meet():
    own, other = Line(0.9, 6.0), Line(0.8, 1.0)  # level where 0.1 = 5 / sqrt(n)
    ems = [[line.at(count) for count in QUERIES] for line in (own, other)]
    assert queries_to_reach(QUERIES, *ems) == pytest.approx(2500, abs=1)
    far = [[line.at(count) for count in (10, 40, 160)] for line in (Line(0.9, 2.5), Line(0.89, 0.5))]
    assert queries_to_reach([10, 40, 160], *far) is None, "they meet at 40,000"

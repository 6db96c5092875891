import pytest

from arms.errors import ArmsError
from arms.importers.metric_names import first_of, parse_metrics


def test_what_the_user_names() -> None:
    names = parse_metrics(["hit", "MME=Score", " MME = acc ", "exact"])
    assert names.of("MMStar") == ("hit", "exact")
    assert names.of("MME") == ("Score", "acc")
    assert parse_metrics(["Hit", "MME=Score"], lower=True).of("MME") == ("score",)
    assert parse_metrics([]).of("MME") == ()
    assert first_of(names.of("MME"), {"acc", "hit"}) == "acc"
    assert first_of(names.of("MME"), {"hit"}) is None


@pytest.mark.parametrize("text", ["", " ", "=hit", "MME=", "="])
def test_half_a_name(text: str) -> None:
    with pytest.raises(ArmsError, match=r"^--metric: expected METRIC or BENCHMARK=METRIC, got "):
        parse_metrics([text])


def test_a_benchmark_that_is_not_there() -> None:
    names = parse_metrics(["hit", "MME=score"])
    names.check_benchmarks({"MME", "POPE"})
    with pytest.raises(ArmsError, match=r"^--metric MME=score: there is no benchmark 'MME'; there: MMStar, POPE$"):
        names.check_benchmarks({"POPE", "MMStar"})

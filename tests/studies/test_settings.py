"""The settings of the studies."""

from ruamel.yaml import YAML

from arms.params.section import check
from studies.settings import StudyParams
from tests.pipeline import STUDIES


def test_those_of_the_tests_are_whole():
    """They stand in for studies/params.yaml in the tests that take long, which nobody runs with every change."""
    check(StudyParams, YAML(typ="safe", pure=True).load(STUDIES), "tests/pipeline.py")

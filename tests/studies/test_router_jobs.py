"""Which router is fitted with which seeds."""

import pytest

from arms.errors import ArmsError
from arms.params.section import read_section
from arms.params.tree import read_params
from studies.routers import router_jobs
from studies.settings import PARAMS, StudyParams


def jobs(**changes):
    study = read_section(PARAMS, StudyParams).model_copy(update={"seeds": [1, 2, 3], "fewer_seeds": {}, **changes})
    return {job.name: job.seeds for job in router_jobs(read_params(), study, has_answers=True)}


def test_a_router_without_randomness_is_fitted_once():
    found = jobs()
    assert found["mlp"] == found["kmeans"] == [1, 2, 3]
    assert found["linear"] == found["ovr"] == found["knn"] == found["best-single"] == [1]


def test_some_get_fewer_seeds():
    found = jobs(fewer_seeds={"router-dc": 1, "mlp": 2})
    assert (found["router-dc"], found["mlp"], found["zooter"]) == ([1], [1, 2], [1, 2, 3])


def test_a_quick_run_has_only_light_routers_and_one_seed():
    found = jobs(quick=True)
    assert found.keys() == read_params().baselines.keys()
    assert set(map(tuple, found.values())) == {(1,)}


def test_routers_that_read_answers_need_them(caplog):
    study = read_section(PARAMS, StudyParams)
    names = {job.name for job in router_jobs(read_params(), study, has_answers=False)}
    assert not names & {"frugal-gpt", "pair-ranker"}
    assert "frugal-gpt: left out, as the dataset records no answers" in caplog.text


def test_an_unknown_router_is_named():
    with pytest.raises(ArmsError, match=r"studies/params\.yaml\.fewer_seeds: unknown router 'mpl'; known: .*mlp"):
        jobs(fewer_seeds={"mpl": 1})

from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from arms.baselines import registry
from arms.baselines.constant import BestSingleRouter, RandomRouter
from arms.baselines.registry import ROUTERS, any_learns_from_answers, build_router, find_router
from arms.errors import ArmsError
from arms.params.tree import read_params
from arms.routers.base import BaseRouter

VLMS = ("a", "b", "c")
KNN = {"features": "normalised", "num_neighbours": [8, 16], "weights": "distance", "index": "flat"}


@pytest.mark.parametrize("name", ROUTERS)
def test_the_registry_names_routers(name):
    assert issubclass(find_router(name), BaseRouter)


def test_the_settings_of_the_project_build():
    heavy = YAML(typ="safe", pure=True).load(Path("studies/params.yaml"))["routers"]
    built = {**read_params().baselines, **heavy}
    for name, settings in built.items():
        assert build_router(name, VLMS, settings, seed=1).vlms == VLMS
    assert {settings.get("router", name) for name, settings in built.items()} == set(ROUTERS), "each is compared"


def test_settings_become_the_router():
    router = build_router("knn", VLMS, KNN, seed=1)
    assert (router.vlms, router.candidates, router.weights) == (VLMS, [8, 16], "distance")
    assert build_router("random", VLMS, {}, seed=7).seed == 7


def test_a_router_under_another_name():
    router = build_router("knn of pictures", VLMS, KNN | {"router": "knn", "features": "image"}, seed=1)
    assert (type(router), router.features) == (find_router("knn"), "image")


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("knm", {}, r"params\.yaml\.baselines: unknown router 'knm'; known: best-single, .*knn"),
        ("knn", {"weight": 1}, r"params\.yaml\.baselines\.knn: unknown key 'weight'; known: features, .*weights"),
        (
            "knn",
            {"weights": "none"},
            r"params\.yaml\.baselines\.knn\.weights: expected 'uniform' or 'distance', got 'none'",
        ),
        (
            "knn",
            {"num_neighbours": [0]},
            r"baselines\.knn\.num_neighbours\.0: expected greater than or equal to 1, got 0",
        ),
        ("knn", {"num_neighbours": 8}, r"baselines\.knn\.num_neighbours: expected a valid list, got 8"),
        ("knn", {"router": "best-single"}, r"baselines\.knn: expected another name for a router of kind 'best-single'"),
        ("knn", {"num_neighbours": []}, r"baselines\.knn\.num_neighbours: expected 1 or more, got"),
    ],
)
def test_errors_say_where(name, changes, message):
    with pytest.raises(ArmsError, match=message):
        build_router(name, VLMS, KNN | changes, seed=1, where="params.yaml.baselines")


def test_a_missing_setting():
    with pytest.raises(ArmsError, match=r"baselines\.knn\.index: missing; every setting is written out"):
        build_router("knn", VLMS, {key: value for key, value in KNN.items() if key != "index"}, seed=1)


def test_who_learns_from_answers():
    assert not any_learns_from_answers({"knn": KNN, "random": {}})
    assert any_learns_from_answers({"knn": KNN, "mine": {"router": "to-router"}})
    with pytest.raises(ArmsError, match=r"params\.yaml\.baselines: unknown router 'mine'"):
        any_learns_from_answers({"mine": {}}, "params.yaml.baselines")


@pytest.fixture
def installed(monkeypatch):
    """Routers that other packages are said to bring along."""

    def install(**values):
        points = [EntryPoint(name, value, registry.ENTRY_POINTS) for name, value in values.items()]
        monkeypatch.setattr(registry, "entry_points", lambda group: [p for p in points if p.group == group])

    return install


def test_an_entry_point_of_another_package(installed):
    installed(mine="arms.baselines.constant:RandomRouter", knn="arms.baselines.constant:BestSingleRouter")
    assert isinstance(build_router("mine", VLMS, {}, seed=1), RandomRouter)
    assert find_router("knn") is not BestSingleRouter, "our own names stay ours"
    with pytest.raises(ArmsError, match=r"unknown router 'other'; known: .*knn.*mine"):
        find_router("other")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("no.such.module:Router", r"mine: the entry point no\.such\.module:Router cannot be loaded: No module"),
        ("arms.baselines.constant:logger", "cannot be loaded: .*logger"),
        ("arms.errors:ArmsError", r"expected arms\.errors:ArmsError to be a subclass of arms\.BaseRouter"),
    ],
)
def test_an_entry_point_that_is_no_router(installed, value, message):
    installed(mine=value)
    with pytest.raises(ArmsError, match=message):
        find_router("mine")

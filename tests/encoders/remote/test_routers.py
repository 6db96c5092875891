"""Routers whose questions a server embeds: trained, saved, loaded without asking, and routing as before."""

import json
import subprocess
import sys

import numpy as np
import pytest
from ruamel.yaml import YAML

from arms.baselines.registry import build_router
from arms.baselines.saved import SavedBaseline
from arms.encoders import origins
from arms.encoders.remote.pinned import pinned_server
from arms.errors import ArmsError
from arms.features.dataset import Embedder
from arms.routers.arms import ArmsRouter
from arms.routers.router import Router
from tests.encoders.remote.served import PROBE, make_pair, pair_settings
from tests.fakes import CPU, NAMES, PROFILES, fit_params, make_queries, router_params
from tests.pipeline import ROOT

MADE = make_queries(40)
QUESTION = "How many squares does the picture show?"


@pytest.fixture
def router(fake):
    pair = make_pair(fake)
    made = ArmsRouter(PROFILES, pair, router_params(), fit_params(epochs=3), device=CPU)
    return made.fit(MADE.label(pair))


@pytest.fixture
def saved(router, fake, tmp_path):
    """The router in a folder beside settings that name its server, as in a new process."""
    router.save(tmp_path / "router")
    (tmp_path / "conf/encoders").mkdir(parents=True)
    YAML(typ="safe").dump(pair_settings(fake), tmp_path / "conf/encoders/served.yaml")
    forget(tmp_path)
    fake.requests.clear()
    return tmp_path / "router"


def forget(folder):
    pinned_server.cache_clear()
    origins._servers.clear()
    origins._projects.clear()
    origins.know_settings(folder)


def test_training_sends_each_question_and_profile_once(router, fake):
    assert len(fake.texts) == len(set(fake.texts)) == 1 + len(PROFILES) + len(set(MADE.questions))


def test_a_loaded_router_routes_as_before_and_loading_asks_nothing(router, saved, fake):
    loaded = Router.load(saved)
    assert fake.texts == []
    image = MADE.pictures[0]
    got = loaded.route(image, QUESTION)
    assert fake.texts == [PROBE, QUESTION]
    expected = router.score(router.encode([image], [QUESTION]))[0]
    by_name = {ranked.vlm: ranked.confidence for ranked in got.ranking}
    np.testing.assert_array_equal([by_name[name] for name in NAMES], expected)


def test_a_question_is_asked_of_the_server_even_without_an_image(saved, fake):
    Router.load(saved).route([], QUESTION)
    Router.load(saved).route(MADE.pictures[0], "")
    assert fake.texts == [PROBE, QUESTION], "and an empty one is not"


def test_a_new_vlm_costs_its_profile_only(saved, fake):
    router = ArmsRouter.from_folder(saved, device="cpu")
    new = PROFILES[0].__class__(name="newcomer", access="free", params_b=3)
    router.over([*PROFILES, new])
    assert len(fake.texts) == 2


def test_a_server_that_changed_is_an_error_at_the_first_question(saved, fake):
    loaded = Router.load(saved)
    fake.version = "2"
    with pytest.raises(ArmsError, match=r"the server now has another model behind this name"):
        loaded.route(MADE.pictures[0], QUESTION)


def test_no_key_is_an_error_at_the_first_question(saved, monkeypatch):
    loaded = Router.load(saved)
    monkeypatch.delenv("ARMS_TEST_KEY")
    with pytest.raises(ArmsError, match=r"expected its key in the environment variable ARMS_TEST_KEY"):
        loaded.route(MADE.pictures[0], QUESTION)


def test_a_router_whose_server_no_settings_name_is_not_loaded(saved, fake, tmp_path):
    (tmp_path / "conf/encoders/served.yaml").unlink()
    forget(tmp_path)
    with pytest.raises(ArmsError, match=r"the router would send questions to http://127.0.0.1:\d+/v1, with the key in"):
        Router.load(saved)
    assert fake.texts == []


def test_settings_may_name_the_server_at_another_address(saved, fake, tmp_path):
    settings = pair_settings(fake)
    settings["server"] |= {"url": fake.url.replace("127.0.0.1", "localhost")}
    YAML(typ="safe").dump(settings, tmp_path / "conf/encoders/served.yaml")
    forget(tmp_path)
    Router.load(saved).route(MADE.pictures[0], QUESTION)
    assert fake.texts == [PROBE, QUESTION]


def test_no_secret_is_saved(saved, fake):
    stored = b"".join(file.read_bytes() for file in saved.rglob("*") if file.is_file())
    assert fake.key.encode() not in stored
    described = json.loads((saved / "router.json").read_text())
    assert described["encoders"]["server"]["key_env"] == "ARMS_TEST_KEY"


def test_a_baseline(fake, tmp_path):
    pair = make_pair(fake)
    embedder = Embedder(pair, 16, CPU)
    settings = {"features": "normalised", "num_neighbours": [4], "weights": "uniform", "index": "flat"}
    train = MADE.label(pair, embeddings=True)
    knn = build_router("knn", NAMES, settings, seed=1).fit(train)
    made = SavedBaseline("knn", settings, 1, PROFILES, knn, train, None, embedder)
    made.save(tmp_path / "knn")
    fake.requests.clear()
    loaded = Router.load(tmp_path / "knn")
    assert fake.texts == []
    loaded.route(MADE.pictures[0], QUESTION)
    assert fake.texts == [QUESTION]


def test_arms_route(saved, fake, tmp_path):
    """In a process of its own, as from the shell."""
    MADE.pictures[0].save(tmp_path / "picture.png")
    program = [sys.executable, "-c", "from arms.cli import main; main()"]
    command = [*program, "route", "--router", str(saved), "--image", "picture.png", "--question", QUESTION]
    environment = {"PYTHONPATH": str(ROOT), "ARMS_TEST_KEY": fake.key, "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") >= len(NAMES)
    assert fake.texts == [PROBE, QUESTION]
    fake.version = "2"
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "the server now has another model behind this name" in done.stderr
    assert "Traceback" not in done.stderr
    assert fake.key not in done.stderr + done.stdout

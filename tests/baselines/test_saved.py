"""Baselines that are saved and loaded give the scores that they gave, and route."""

import shutil
import sys
from dataclasses import replace
from importlib.metadata import EntryPoint

import numpy as np
import pytest

from arms.baselines import registry
from arms.baselines.changed import changed_since
from arms.baselines.registry import build_router
from arms.baselines.saved import SavedBaseline, save_unable
from arms.errors import ArmsError
from arms.features.dataset import Embedder
from arms.routers.router import Router
from arms.routers.saved import load_router
from tests.baselines.test_contract import BASELINES, holey
from tests.cli.helpers import run
from tests.fakes import CPU, NAMES, PROFILES, make_encoders, make_queries

MADE, VAL = make_queries(48), make_queries(24, seed=1)
LEARNS = {"to-router"}  # from answers


@pytest.fixture(scope="module")
def embedder():
    return Embedder(make_encoders(image={"tunable_layers": 1}), 16, CPU)


@pytest.fixture(scope="module")
def labelled(embedder):
    """What the routers learn from, with all that a dataset may record but answers."""
    rng, parts = np.random.default_rng(0), []
    for made in (MADE, VAL):
        part = holey(made.label(embedder.encoders, embeddings=True))
        costs = rng.random(part.outcomes.shape, dtype=np.float32)
        tags = np.array(["count\nall" if "dots" in question else "read" for question in made.questions])
        profiles = embedder.texts([profile.name for profile in PROFILES])
        parts.append(replace(part, costs=costs, tags=tags, profiles=profiles, scenes=np.arange(len(part)) // 2))
    return tuple(parts)


def make(name, labelled, embedder, val=True):
    settings = BASELINES[name] | ({} if name in ("best-single", "random") else {"features": "normalised"})
    train, val = labelled[0], labelled[1] if val else None
    router = build_router(name, NAMES, settings, seed=3).fit(train, val)
    return SavedBaseline(name, settings, 3, PROFILES, router, train, val, embedder)


@pytest.mark.parametrize("name", [name for name in BASELINES if name not in LEARNS])
def test_loaded_it_gives_the_same_scores(name, labelled, embedder, tmp_path):
    saved = make(name, labelled, embedder)
    saved.save(tmp_path / "router")
    loaded = load_router(tmp_path / "router", device="cpu")
    assert (loaded.vlms, loaded.profiles, loaded.policy) == (NAMES, PROFILES, saved.policy)
    queries = labelled[1].queries
    np.testing.assert_array_equal(loaded.score(queries), saved.score(queries))
    asked = [loaded.encode(VAL.pictures[:3], VAL.questions[:3]), queries.subset(np.arange(3))]
    np.testing.assert_allclose(*(loaded.score(of) for of in asked), atol=1e-5)
    route = Router(loaded).route(VAL.pictures[0], VAL.questions[0])
    assert {ranked.vlm for ranked in route.ranking} == set(NAMES)


def test_without_val(labelled, embedder, tmp_path):
    saved = make("kmeans", labelled, embedder, val=False)
    saved.save(tmp_path / "router")
    queries = labelled[1].queries
    np.testing.assert_array_equal(load_router(tmp_path / "router").score(queries), saved.score(queries))


def test_what_several_learnt_from_is_saved_once(labelled, embedder, tmp_path):
    make("knn", labelled, embedder).save(tmp_path / "knn")
    other = make("ovr", labelled, embedder)
    other.save(tmp_path / "ovr", beside=tmp_path / "knn")
    assert {file.name for file in (tmp_path / "ovr").iterdir()} == {"router.json", "tokenizer.json"}
    queries = labelled[1].queries
    np.testing.assert_array_equal(load_router(tmp_path / "ovr").score(queries), other.score(queries))
    shutil.rmtree(tmp_path / "knn")
    with pytest.raises(ArmsError, match="is missing; the checkpoint is incomplete; routers side by side share files"):
        load_router(tmp_path / "ovr")


def test_a_router_that_reads_no_queries_keeps_no_embeddings(labelled, embedder, tmp_path):
    for name in ("knn", "best-single"):
        make(name, labelled, embedder).save(tmp_path / name)
    sizes = [(tmp_path / name / "train.safetensors").stat().st_size for name in ("knn", "best-single")]
    assert sizes[0] - sizes[1] > 48 * 2 * 8 * 4 - 200


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("frugal-gpt", "frugal-gpt cannot route: it asks VLMs and reads their answers"),
        ("to-router", "to-router cannot be loaded: it learns from the VLMs' answers"),
    ],
)
def test_one_that_cannot_route_says_why(name, message, tmp_path):
    save_unable(name, {"features": "normalised"}, 3, tmp_path / "router")
    with pytest.raises(ArmsError, match=message):
        load_router(tmp_path / "router")


class TestOfAnotherPackage:
    @pytest.fixture
    def module(self, tmp_path, monkeypatch):
        """The file of an installed package's router."""
        file = tmp_path / "elsewhere_router.py"
        file.write_text("from arms.baselines.constant import BestSingleRouter\n\nclass Mine(BestSingleRouter): pass\n")
        monkeypatch.syspath_prepend(tmp_path)
        point = EntryPoint("mine", "elsewhere_router:Mine", registry.ENTRY_POINTS)
        monkeypatch.setattr(registry, "entry_points", lambda group: [point])
        yield file
        sys.modules.pop("elsewhere_router", None)

    def test_an_edit_since_it_was_fitted_is_said(self, module, labelled, embedder, tmp_path, monkeypatch):
        saved, folder = make_constant("mine", labelled, embedder), tmp_path / "data/routers/baselines/mine"
        saved.save(folder)
        make("knn", labelled, embedder).save(folder.with_name("knn"))
        assert load_router(folder, device="cpu").vlms == NAMES
        assert changed_since(folder.parent) == []
        module.write_text(module.read_text() + "# edited\n")
        message = "mine comes from another package, and its file has changed since it was fitted; run: dvc repro"
        with pytest.raises(ArmsError, match=message):
            load_router(folder, device="cpu")
        (line,) = changed_since(folder.parent)
        assert message in line
        (tmp_path / "metrics").mkdir()
        (tmp_path / "metrics/arms.json").write_text('{"id": {"base": {"em": 0.75, "em_low": 0.7, "em_high": 0.8}}}')
        monkeypatch.chdir(tmp_path)
        assert message in run("report", "--json").stderr

    def test_gone_it_is_said(self, module, labelled, embedder, tmp_path, monkeypatch):
        make_constant("mine", labelled, embedder).save(tmp_path / "mine")
        monkeypatch.setattr(registry, "entry_points", lambda group: [])
        (line,) = changed_since(tmp_path)
        assert "unknown router 'mine'" in line


def make_constant(name, labelled, embedder):
    router = build_router(name, NAMES, {}, seed=3).fit(*labelled)
    return SavedBaseline(name, {}, 3, PROFILES, router, *labelled, embedder)

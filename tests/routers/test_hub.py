"""Routers with their cards, in folders and on the hub, which is stood in for by a folder."""

import shutil
from types import SimpleNamespace

import pytest
from huggingface_hub import ModelCard
from huggingface_hub.errors import HFValidationError

from arms import Router
from arms.data.costs import AnswerPrice
from arms.errors import ArmsError
from arms.routers import hub
from arms.routers.origin import Origin
from tests.fakes import NAMES, make_queries, make_router

MADE = make_queries(12)
COMMIT = "0123456789abcdef" * 2 + "01234567"
METRICS = {
    "id": {"em": 0.8, "em_low": 0.7, "em_high": 0.9, "best_single_em": 0.6, "gain": 0.2, "gain_low": 0.1}
    | {"gain_high": 0.3, "queries": 1234},
    "ood": {"em": None},
}


@pytest.fixture
def router():
    made = make_router()
    made.fit(MADE.label(made.encoders))
    prices = {NAMES[0]: AnswerPrice(0.001, 0.00002)}
    made.origin = Origin("mine", {"train": 1452, "val": 9, "id": 8, "ood": 0}, "ab" * 32, ("train",), prices)
    return Router(made)


def ranking(router):
    return router.route(MADE.pictures[0], MADE.questions[0]).ranking


@pytest.fixture
def served(monkeypatch, tmp_path):
    """A hub of one repository; what it was asked."""
    asked = []

    class Api:
        def __init__(self, **_):
            pass

        def create_repo(self, name, *, private, exist_ok):
            if "/" not in name:
                raise HFValidationError("not a name")
            asked.append((name, private, exist_ok))

        def upload_folder(self, *, repo_id, folder_path, commit_message):
            shutil.copytree(folder_path, tmp_path / "hub")
            return SimpleNamespace(oid=COMMIT)

    def snapshot(name, *, revision, allow_patterns):
        if name != "me/router":
            raise OSError("no such repository")
        asked.append((name, revision, tuple(allow_patterns)))
        return str(tmp_path / "hub")

    monkeypatch.setattr(hub, "HfApi", Api)
    monkeypatch.setattr(hub, "snapshot_download", snapshot)
    return asked


def test_a_folder_there_and_back(router, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("mine")
    router.save_pretrained(tmp_path / "mine")
    assert ranking(Router.from_pretrained(tmp_path / "mine", device="cpu")) == ranking(router)
    assert (tmp_path / "mine/notes.txt").read_text() == "mine"
    assert ModelCard.load(tmp_path / "mine/README.md").data.library_name == "arms"


def test_the_hub_there_and_back(router, served):
    commit = router.push_to_hub("me/router", private=True, card=router.card("me/router", metrics=METRICS))
    assert commit == COMMIT
    again = Router.from_pretrained("me/router", revision=commit, device="cpu")
    assert ranking(again) == ranking(router)
    patterns = ("*.json", "*.safetensors", "README.md")
    assert served == [("me/router", True, True), ("me/router", COMMIT, patterns)]


@pytest.mark.parametrize("revision", [None, "main", "v1.0", COMMIT[:12], COMMIT.upper() + "0"])
def test_only_a_commit_is_taken(served, revision):
    with pytest.raises(ArmsError, match="me/router: expected a folder here, or with a name on the hub the revision"):
        Router.from_pretrained("me/router", revision=revision)
    assert served == []


def test_what_the_hub_refuses(router, served):
    with pytest.raises(ArmsError, match=f"me/other at {COMMIT}: the hub did not give it: no such repository"):
        Router.from_pretrained("me/other", revision=COMMIT)
    with pytest.raises(ArmsError, match="nameless: the hub did not take the router: not a name"):
        router.push_to_hub("nameless")


class TestCard:
    def test_front_matter(self, router):
        card = ModelCard(str(router.card("mine", metrics=METRICS, commit="abc")))
        (result,) = card.data.eval_results
        assert (result.dataset_name, result.dataset_split, result.metric_value) == ("mine", "id", 0.8)
        assert (card.data.model_name, card.data.library_name) == ("mine", "arms")
        assert card.data.pipeline_tag == "visual-question-answering"

    def test_text(self, router):
        text = router.card("mine", metrics=METRICS, commit="abc").text
        assert "# mine\n" in text
        assert f"| {NAMES[0]} | Acme | free | 0.002 |" in text
        assert f"| {NAMES[1]} | - | free | - |" in text
        assert "- Dataset: mine; queries: train 1,452, val 9, id 8, ood 0." in text
        assert "sha256 abababab" in text
        assert "- Commit of the project: abc." in text
        assert "| in distribution | 0.800 | 0.700 to 0.900 | 0.600 | +0.200 | +0.100 to +0.300 | 1,234 |" in text
        assert "out of distribution" not in text, "it has no query"

    def test_what_is_not_known(self, router):
        router.router.origin = None
        card = router.card("mine", metrics=METRICS)
        assert card.data.eval_results is None, "of no known dataset"
        assert "does not say which dataset" in card.text
        assert "No metrics are known." in router.card("mine").text

    def test_names_are_no_markup(self, router):
        assert "# \\<b\\>\\|x\\_y\n" in router.card("<b>|x_y").text

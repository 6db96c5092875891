"""The pipeline with texts that a server embeds: it is asked in one stage, for each distinct text once."""

import shutil
from pathlib import Path

import pytest

from arms.data.prepared import read_prepared
from arms.errors import ArmsError
from arms.routers.router import Router
from stages import baselines, extend, prepare, safe, train
from stages.encode import encode
from stages.workspace import open_workspace
from tests.encoders.remote.conftest import fake  # noqa: F401
from tests.encoders.remote.served import PROBE, pair_settings
from tests.fakes import NAMES
from tests.pipeline import ROOT
from tests.stages.test_any_images import MADE, change, write_tables, write_yaml

KNN = {"features": "normalised", "num_neighbours": [4], "weights": "uniform", "index": "flat"}


@pytest.fixture
def project(fake, tmp_path, monkeypatch):  # noqa: F811
    """A folder with tables and settings; one epoch."""
    monkeypatch.chdir(tmp_path)
    write_tables(tmp_path / "data/raw/mine", "mixed")
    by = {"pools": {"base": list(NAMES[:2]), "new": [NAMES[2]]}, "ood.benchmarks": [], "sample": None}
    write_yaml("conf/data/mine.yaml", change("conf/data/sample.yaml", by | {"splits.by": "recorded"}))
    write_yaml("conf/encoders/served.yaml", pair_settings(fake))
    quick = {"data": "mine", "encoders": "served", "epochs": 1, "safe.num_folds": 2, "safe.most_kinds": 0}
    quick |= {"runtime.device": "cpu", "runtime.workers": 1, "router.num_experts": 2, "router.top_k": 2}
    write_yaml("params.yaml", change("params.yaml", quick | {"baselines": {"knn": KNN}}))
    (tmp_path / "conf/presets").mkdir()
    shutil.copy(ROOT / "conf/presets/none.yaml", tmp_path / "conf/presets")
    return fake


def run(modality):
    workspace = open_workspace()
    encode(workspace, read_prepared(workspace.prepared), modality)


def test_only_encode_asks_the_server(project):
    prepare.main()
    for modality in ("image", "text"):
        run(modality)
    texts = read_prepared(Path("data/prepared/mine")).texts()
    assert sorted(project.texts) == sorted([PROBE, *texts.values()])
    project.key = "sk-another"  # from here on the server refuses
    train.main()
    for strategy in ("incremental", "independent"):
        extend.main([strategy], standalone_mode=False)
    safe.main()
    baselines.main()
    router = Router.load(Path("data/routers/arms"), device="cpu")
    with pytest.raises(ArmsError, match=r"it refused with 401: the key in ARMS_TEST_KEY is not accepted"):
        router.route(MADE.pictures[0], "Is this a new question?")
    assert router.route(MADE.pictures[0], "").vlm in NAMES


def test_the_first_run_says_what_to_pin(project):
    settings = pair_settings(project)
    settings["text"]["probe"]["vector"] = None
    write_yaml("conf/encoders/served.yaml", settings)
    prepare.main()
    with pytest.raises(ArmsError, match=r"its model is not pinned yet; write this line under text.probe"):
        run("text")

"""Projects that lack this or that; the machine itself is stood in for, but where a test is about it."""

import shutil
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from arms.baselines.registry import ROUTERS
from arms.data.tables import OutcomeTables, write_dataset
from arms.doctor import machine
from arms.doctor.examine import FAISS_ROUTERS, examine, is_ready, summary
from tests.cached import make_phi, make_prepared
from tests.fakes import PROFILES

ROOT = Path(__file__).resolve().parents[2]
QUICK = ("device", "bfloat16", "torchvision", "package", "faiss", "git", "hub")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """A machine that has everything but a hub that can be reached."""
    for name in QUICK:
        found = "ok", "there", {"reachable": False} if name == "hub" else {}
        monkeypatch.setattr(machine, f"look_at_{name}", lambda *args, found=found: found)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """This project's settings, in a working directory of their own."""
    shutil.copytree(ROOT / "conf", tmp_path / "conf")
    shutil.copy(ROOT / "params.yaml", tmp_path)
    (tmp_path / "dvc.yaml").touch()
    (tmp_path / ".dvc").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def change(file, **values):
    """Change values at the top of a YAML file."""
    yaml = YAML()
    content = yaml.load(Path(file))
    content.update(values)
    yaml.dump(content, Path(file))


def found():
    """The lines by topic."""
    return {line.topic: line for line in examine()}


def import_tiny(vlms=PROFILES[:2]):
    """A dataset and its settings; params.yaml names it."""
    prepared = make_prepared()
    queries = prepared.queries.drop(columns=["images_sha256", "question_sha256", "scene", "split"])
    folder = Path("data/raw/tiny")
    write_dataset(OutcomeTables(folder, queries, prepared.outcomes, tuple(vlms)), folder)
    shutil.copy("conf/data/sample.yaml", "conf/data/tiny.yaml")
    change("conf/data/tiny.yaml", pools={"base": ["counter-2b", "reader-7b"], "new": []}, sample=None)
    change("params.yaml", data="tiny")


def test_a_project_that_is_ready(project):
    lines = found()
    assert is_ready(list(lines.values()))
    assert summary(list(lines.values())) == "`dvc repro` has all that it needs"
    assert lines["settings"].text == "params.yaml: data sample, encoders bundled"
    assert lines["dataset"].text == "sample: the pipeline draws it itself"
    assert lines["routers"].status == "note"
    assert "none is trained yet" in lines["routers"].text


def test_outside_a_project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = found()
    assert lines["settings"].status == "note"
    assert "no params.yaml here" in lines["settings"].text
    assert "dataset" not in lines
    assert summary(list(lines.values())) == "nothing is missing on this machine"


def test_settings_that_are_wrong(project):
    change("params.yaml", epochs=0)
    lines = found()
    assert lines["settings"].status == "missing"
    assert "params.yaml.epochs: expected greater than or equal to 1, got 0" in lines["settings"].text
    assert summary(list(lines.values())) == "missing: settings"


def test_no_dvc_project(project):
    (project / ".dvc").rmdir()
    assert found()["dvc project"].text == "no .dvc folder here: run dvc init"
    (project / "dvc.yaml").unlink()
    line = found()["dvc project"]
    assert (line.status, line.text) == ("missing", "no dvc.yaml here: restore it")
    assert summary([line]) == "missing for `dvc repro`: dvc project"


class TestDataset:
    def test_there(self, project):
        import_tiny()
        line = found()["dataset"]
        assert (line.status, line.text) == ("ok", "tiny: 72 queries, 2 VLMs")
        assert line.facts["vlms"] == ["counter-2b", "reader-7b"]

    def test_not_imported(self, project):
        change("params.yaml", data="blindtest")
        line = found()["dataset"]
        assert line.status == "missing"
        text = "blindtest: data/raw/blindtest has no queries.parquet, outcomes.parquet, vlms.yaml; run: arms import"
        assert line.text.startswith(text)

    def test_no_settings(self, project):
        change("params.yaml", data="unheard-of")
        line = found()["dataset"]
        assert line.status == "missing"
        assert "conf/data/unheard-of.yaml: no such settings file; known here: blindtest" in line.text

    def test_pools_that_it_does_not_have(self, project):
        import_tiny(PROFILES[:1])
        line = found()["dataset"]
        assert line.status == "missing"
        text = "conf/data/tiny.yaml.pools: expected VLMs of data/raw/tiny/vlms.yaml, got reader-7b; known: counter-2b"
        assert line.text == text

    def test_tables_that_are_broken(self, project):
        import_tiny()
        Path("data/raw/tiny/queries.parquet").write_text("no Parquet")
        line = found()["dataset"]
        assert line.status == "missing"
        assert line.text.startswith("does not work: ArrowInvalid: ")

    def test_the_others(self, project):
        import_tiny()
        change("params.yaml", data="sample")
        line = found()["others"]
        assert line.status == "note"
        datasets = "blindtest, blindtest-95, blindtest-all, blindtest-gpt-4o, dynamath"
        assert line.text == f"ready: tiny; without tables, to be imported or drawn: {datasets}"


class TestEncoders:
    @pytest.fixture
    def hub(self, monkeypatch, tmp_path):
        """Says whether the hub can be reached; nothing was downloaded from it."""
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))

        def set_reachable(reachable):
            monkeypatch.setattr(machine, "look_at_hub", lambda ask: ("ok", "", {"reachable": reachable}))

        return set_reachable

    def test_those_that_need_no_network(self, project):
        lines = found()
        assert lines["encoders bundled"].text.startswith(
            "need no network: image encoder bundled comes with the package"
        )
        assert lines["encoders scratch"].status == "ok"

    def test_downloads_that_nobody_needs_now(self, project, hub):
        hub(False)
        line = found()["encoders paper"]
        assert line.status == "note"
        assert "text encoder distilbert-base-uncased is to be downloaded once; the hub is not reachable" in line.text

    @pytest.mark.parametrize(("reachable", "status"), [(False, "missing"), (True, "note"), (None, "note")])
    def test_downloads_that_are_needed(self, project, hub, reachable, status):
        hub(reachable)
        change("params.yaml", encoders="paper")
        lines = list(examine())
        (line,) = [line for line in lines if line.topic == "encoders paper"]
        assert line.status == status
        assert is_ready(lines) == (status != "missing")
        assert ("the hub was not asked" in line.text) == (reachable is None)
        assert [weights["here"] for weights in line.facts["weights"]] == [False, False]

    def test_weights_that_nobody_knows(self, project, hub):
        hub(True)
        change("params.yaml", encoders="paper")
        change(
            "conf/encoders/paper.yaml",
            image={**YAML().load(Path("conf/encoders/paper.yaml"))["image"], "pretrained": "x"},
        )
        line = found()["encoders paper"]
        assert line.status == "missing"
        assert (
            "image encoder ViT-B-32/x is unknown: expected a checkpoint file or one of the tags openai, " in line.text
        )

    def test_settings_that_are_wrong(self, project):
        change("conf/encoders/tuned.yaml", image=None)
        lines = found()
        assert lines["encoders tuned"].status == "note"
        assert "conf/encoders/tuned.yaml.image: expected" in lines["encoders tuned"].text
        change("params.yaml", encoders="tuned")
        assert found()["encoders tuned"].status == "missing"


def test_routers(project):
    make_phi().save(Path("data/routers/phi"))
    line = found()["routers"]
    assert (line.status, line.text) == ("ok", "trained: data/routers/phi")
    assert line.facts["trained"] == {"data/routers/phi": "arms"}
    Path("data/routers/phi/router.json").write_text("{")
    line = found()["routers"]
    assert line.status == "note"
    assert "data/routers/phi/router.json: not valid JSON" in line.text


class TestBrokenParts:
    """A part that does not work is reported, and nothing else is lost."""

    @pytest.fixture(autouse=True)
    def real(self, monkeypatch, quick):
        monkeypatch.undo()

    @pytest.mark.parametrize("module", ["torch", "open_clip", "transformers", "zarr", "dvc"])
    def test_a_package_that_cannot_be_imported(self, project, monkeypatch, module):
        monkeypatch.setitem(sys.modules, module, None)
        lines = {line.topic: line for line in examine(ask_hub=False)}
        assert lines[module].status == "missing"
        if module in ("zarr", "dvc"):
            assert lines[module].text.endswith("run: pip install 'arms[pipeline]'")
        else:
            assert lines[module].text.startswith("does not work: ModuleNotFoundError: ")
        assert lines["settings"].status == lines["disk"].status == "ok"
        assert "dataset" in lines

    def test_faiss_is_missed_where_a_baseline_searches_with_it(self, project, monkeypatch):
        monkeypatch.setitem(sys.modules, "faiss", None)
        assert {line.topic: line for line in examine(ask_hub=False)}["faiss"].status == "missing"
        change("params.yaml", baselines={"best-single": {}, "near": {"router": "knn"}})
        assert {line.topic: line for line in examine(ask_hub=False)}["faiss"].status == "missing"
        change("params.yaml", baselines={"best-single": {}, "knn": {"router": "random"}})
        assert {line.topic: line for line in examine(ask_hub=False)}["faiss"].status == "note"


def test_which_routers_search_with_faiss():
    files = {name: target.partition(":")[0].replace(".", "/") + ".py" for name, target in ROUTERS.items()}
    texts = {name: (ROOT / file).read_text() for name, file in files.items()}
    direct = {name for name, text in texts.items() if "arms.baselines.neighbours import" in text}
    on_knn = {name for name, text in texts.items() if "arms.baselines.knn import" in text}
    assert direct | on_knn == set(FAISS_ROUTERS)

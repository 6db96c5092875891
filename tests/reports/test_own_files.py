import json
import shutil

import pytest

from arms.data.prepared import write_prepared
from arms.errors import ArmsError
from arms.reports.own_files import write_own_page
from tests.cached import make_prepared
from tests.cli.helpers import check_failed, run
from tests.pipeline import ROOT
from tests.reports.made import METRICS
from tests.routers.test_hub import COMMIT

CURVE = {
    "queries": [9, 18, 36],
    "best_single_em": 0.6,
    "routers": {"arms": [{"em": em, "em_by_draw": [em, em]} for em in (0.5, 0.6, 0.65)]},
}
UNSEEN = {"left_out": {}, "trust_id": {}}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """What a run on the dataset mine leaves."""
    monkeypatch.chdir(tmp_path)
    pools = {"base": METRICS, "extended": METRICS}
    split = {"id": pools, "ood": {pool: METRICS | {"queries": 0} for pool in pools}}
    for name, content in {
        "metrics/arms.json": split,
        "metrics/knn.json": split,
        "metrics/vlms.json": {"id": {"extended": {"nova": {"em": 0.7}}}},
        "metrics/summary.json": {"data": "mine"},
        "data/plots/evaluate/pairs.json": [],
        "data/routers/baselines/knn/router.json": {"weights": {"train": COMMIT}},
        "data/routers/arms/router.json": {"weights": {"memory": COMMIT}},
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(json.dumps(content))
    (tmp_path / "data/plots/evaluate/em.png").write_bytes(b"png")
    prepared = make_prepared()
    nothing = prepared.queries[["query_id"]][:0]
    write_prepared(prepared, {}, nothing, nothing, tmp_path / "data/prepared/mine")
    (tmp_path / "conf/data").mkdir(parents=True)
    shutil.copy(ROOT / "conf/data/blindtest.yaml", tmp_path / "conf/data/mine.yaml")
    return tmp_path


def test_the_page(project):
    result = run("report", "--data", "mine")
    assert (result.exit_code, result.stderr) == (0, "wrote data/reports/mine/mine.md\n")
    folder = project / "data/reports/mine"
    assert {file.name for file in folder.iterdir()} == {"mine.md", "mine-em.png"}
    page = (folder / "mine.md").read_text()
    assert page.startswith("# Results on mine\n\nRecorded answers of four commercial VLMs")
    assert "`arms route --router data/routers/arms`" in page
    assert "![EM of routers and single VLMs](mine-em.png)" in page
    assert "Run: `dvc repro studies/dvc.yaml:curve`" in page
    assert "Run: `dvc repro studies/dvc.yaml:unseen`" in page
    assert "No VLM is new, so the extended pool is the base pool." in page
    assert "| train | 36 | 36 | 36 |" in page


def test_with_the_studies(project):
    (project / "studies/results/mine").mkdir(parents=True)
    for name, content in (("curve", CURVE), ("unseen", UNSEEN)):
        (project / f"studies/results/mine/{name}.json").write_text(json.dumps(content))
    (project / "page").mkdir()
    (project / "page/README.md").write_text("own")
    page = write_own_page("mine", project / "metrics", project / "page")
    assert {file.name for file in page.parent.iterdir()} == {"mine.md", "mine-em.png", "mine-curve.png", "README.md"}
    text = page.read_text()
    assert "![Learning curve](mine-curve.png)" in text
    assert "| 36 | 0.650 |" in text
    assert "This dataset has no two kinds with enough queries." in text
    assert (page.parent / "README.md").read_text() == "own"


def test_the_last_run_was_on_another_dataset(project):
    message = "metrics/summary.json: expected results on theirs, got those of the last run, on mine; run: dvc exp run"
    check_failed(run("report", "--data", "theirs"), message)
    assert not (project / "data/reports").exists()


def test_there_was_no_run(project):
    (project / "metrics/summary.json").unlink()
    with pytest.raises(ArmsError, match=r"expected the results of a run, found none; run: dvc exp run -S data=mine"):
        write_own_page("mine", project / "metrics", project / "page")


def test_the_page_is_no_json(project):
    assert run("report", "--data", "mine", "--json").exit_code == 2

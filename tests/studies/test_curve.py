"""The learning curve on made-up queries."""

import json

import numpy as np
import pytest

from arms.evaluation.judge import Judge
from studies import curve
from studies.settings import CurveParams
from tests.studies.test_unseen import made_study as made_study  # the fixture


@pytest.fixture
def made(made_study):
    params = CurveParams(shares=[0.25, 0.5, 1.0], draws=2, routers=["arms", "plain", "knn", "not-there"])
    return curve.Curve(made_study.workspace, params, made_study.dataset)


def test_the_study_on_made_up_queries(made, monkeypatch, tmp_path):
    class Study:
        quick, curve = False, made.params

    monkeypatch.setattr(curve, "open_workspace", lambda: made.workspace)
    monkeypatch.setattr(curve, "read_study_params", Study)
    monkeypatch.setattr(curve, "open_embedded", lambda workspace: made.dataset)
    curve.main()
    found = json.loads((curve.RESULTS / "tiny" / "curve.json").read_text())
    assert found["queries"] == [9, 18, 36]
    assert list(found["routers"]) == ["arms", "plain", "knn"]
    assert all([len(point["em_by_draw"]) for point in points] == [2, 2, 1] for points in found["routers"].values())
    for points in found["routers"].values():
        for point in points:
            assert point["em"] == pytest.approx(np.mean(point["em_by_draw"]), abs=1e-4)
    # The last point is what the whole of train gives.
    train, val = (made.dataset.labelled(split, made.dataset.prepared.base) for split in ("train", "val"))
    scores = made.fitted(train, val)["knn"].scores("knn", "base", made.dataset.queries("val", "id", "ood"))
    evaluate = made.workspace.params.evaluate
    judge = Judge(made.dataset.prepared, {}, samples=evaluate.bootstrap_samples, seed=evaluate.seed)
    assert found["routers"]["knn"][-1]["em"] == judge.metrics_on("id", scores)["em"]
    assert found["best_single_em"] == judge.metrics_on("id", scores)["best_single_em"]


def test_a_larger_part_holds_a_smaller_one(made):
    small, large, other = (set(made.part(share, draw).queries.ids) for share, draw in ((0.25, 0), (0.5, 0), (0.25, 1)))
    assert small < large
    assert small != other


def test_without_arms_no_net_is_trained(made, monkeypatch):
    monkeypatch.setattr(curve, "untrained_phi", lambda *_: pytest.fail("it was trained"))
    plain = curve.Curve(made.workspace, made.params.model_copy(update={"routers": ["knn"]}), made.dataset)
    train, val = (made.dataset.labelled(split, made.dataset.prepared.base) for split in ("train", "val"))
    assert list(plain.fitted(train, val)) == ["knn"]

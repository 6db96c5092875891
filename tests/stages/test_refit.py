"""The router for real traffic, trained after the pipeline on all queries."""

import json

from arms.routers.router import load_router


def test_refit_trains_on_every_query_and_judges_nothing(project):
    before = project.metrics()
    project.dvc("repro", "production/dvc.yaml")
    assert project.metrics() == before
    routers = project.folder / "data/routers"
    production, judged = (load_router(routers / name, device="cpu") for name in ("production", "arms"))
    assert production.vlms == judged.vlms
    splits = json.loads((project.folder / "data/prepared/sample/report.json").read_text())["splits"]
    assert len(production.memory.ids) == sum(splits[name] for name in ("train", "val", "id", "ood"))
    assert set(judged.memory.ids) < set(production.memory.ids)
    assert production.joint.trust == judged.joint.trust
    assert (production.joint.weights.values == judged.joint.weights.values).all()
    assert (production.joint.base != judged.joint.base).any()
    assert production.phi.kept_epoch == judged.phi.kept_epoch

"""The router for real traffic, trained after the pipeline on all queries."""

import pandas as pd

from arms.data.splits import SPLITS
from arms.routers.saved import load_router


def test_refit_trains_on_every_query_and_judges_nothing(project):
    before = project.metrics()
    project.dvc("repro", "production/dvc.yaml")
    assert project.metrics() == before
    routers = project.folder / "data/routers"
    production, judged = (load_router(routers / name, device="cpu") for name in ("production", "arms"))
    assert production.vlms == judged.vlms
    queries = pd.read_parquet(project.folder / "data/prepared/sample/queries.parquet")
    assert set(production.memory.ids) == set(queries["query_id"][queries["split"].isin(SPLITS)])
    assert set(judged.memory.ids) < set(production.memory.ids)
    assert production.joint.trust == judged.joint.trust
    assert (production.joint.weights.values == judged.joint.weights.values).all()
    assert (production.joint.base != judged.joint.base).any()
    assert production.phi.kept_epoch == judged.phi.kept_epoch

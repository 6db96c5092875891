"""Datasets of queries with any number of images, or of questions only: from tables to a router that routes them."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML

from arms.data.prepared import read_prepared
from arms.data.scores import read_scores
from arms.data.tables import OutcomeTables, write_dataset
from arms.routers.router import Router
from stages import baselines, extend, prepare, safe, train
from stages.encode import MODALITIES, encode
from stages.workspace import open_workspace
from tests.encoders.joint_models import pair_params, save_joint
from tests.fakes import DISTILBERT, NAMES, PROFILES, VIT, VOCABULARY_SIZE, make_queries
from tests.pipeline import ROOT

MADE = make_queries(120)


def images_of(row, kind):
    """None; or of every four queries one, two, none or ten."""
    count = 0 if kind == "questions" else (1, 2, 0, 10)[row % 4]
    return tuple(f"images/{(row + step) % len(MADE.pictures)}.png" for step in range(count))


def write_tables(folder, kind):
    """Queries with outcomes of three VLMs; each question is a text of its own."""
    rows = range(len(MADE.questions))
    queries = pd.DataFrame(
        {
            "query_id": [f"q{row}" for row in rows],
            "benchmark": "dots",
            "task": ["count" if "dots" in question else "read" for question in MADE.questions],
            "language": "en",
            "question": [f"{question} ({row})" for row, question in enumerate(MADE.questions)],
            "images": [images_of(row, kind) for row in rows],
            "answer": pd.Series([None] * len(rows), dtype="str"),
            "split": [("train", "train", "train", "val", "id")[row // 4 % 5] for row in rows],
        }
    )
    pairs = [(row, column) for row in rows for column in range(len(PROFILES))]
    outcomes = pd.DataFrame(
        {
            "query_id": [f"q{row}" for row, _ in pairs],
            "vlm": [PROFILES[column].name for _, column in pairs],
            "correct": [bool(MADE.outcomes[pair]) for pair in pairs],
        }
    )
    write_dataset(OutcomeTables(folder, queries, outcomes, PROFILES), folder)
    (folder / "images").mkdir()
    for row, picture in enumerate(MADE.pictures):
        picture.save(folder / f"images/{row}.png")


def write_yaml(path, content):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    YAML(typ="safe").dump(content, Path(path))


def change(file, changes):
    """A YAML file of the project with some values changed, by their dotted names."""
    content = YAML(typ="safe").load(ROOT / file)
    for name, value in changes.items():
        *sections, key = name.split(".")
        section = content
        for one in sections:
            section = section[one]
        section[key] = value
    return content


@pytest.fixture(params=["questions", "mixed", "pairs"])
def project(request, tmp_path, monkeypatch):
    """A folder with tables and settings; tiny encoders, one epoch."""
    kind = request.param
    monkeypatch.chdir(tmp_path)
    write_tables(tmp_path / "data/raw/mine", kind)
    by = {"pools": {"base": list(NAMES[:2]), "new": [NAMES[2]]}, "ood.benchmarks": [], "sample": None}
    write_yaml("conf/data/mine.yaml", change("conf/data/sample.yaml", by | {"splits.by": "recorded"}))
    image = {"model": None, "pretrained": None, "architecture": VIT}
    text = {"model": None, "architecture": DISTILBERT, "vocabulary_size": VOCABULARY_SIZE, "max_tokens": 32}
    encoders = change("conf/encoders/bundled.yaml", {})
    encoders = {"image": encoders["image"] | image, "text": encoders["text"] | text}
    if kind == "pairs":  # mixed, with a joint encoder that takes one picture, and no query without
        joint = pair_params(save_joint(tmp_path / "joint", "vilt"), "vilt", normalise=True)
        encoders["pair"] = joint.model_dump()
    write_yaml("conf/encoders/toy.yaml", encoders)
    quick = {"data": "mine", "encoders": "toy", "epochs": 1, "safe.num_folds": 2, "safe.most_kinds": 0}
    quick |= {"runtime.device": "cpu", "runtime.workers": 1, "router.num_experts": 2, "router.top_k": 2}
    write_yaml("params.yaml", change("params.yaml", quick))
    (tmp_path / "conf/presets").mkdir()
    shutil.copy(ROOT / "conf/presets/none.yaml", tmp_path / "conf/presets")
    return kind


def test_from_tables_to_routes(project, caplog):
    with caplog.at_level("WARNING"):
        prepare.main()
        for modality in MODALITIES:
            encode(open_workspace(), read_prepared(Path("data/prepared/mine")), modality)
    prepared = read_prepared(Path("data/prepared/mine"))
    assert len(prepared.queries) + prepared.num_excluded == len(MADE.questions)
    expected = [images_of(int(name[1:]), project) for name in prepared.queries["query_id"]]
    assert prepared.queries["images"].tolist() == expected
    told = "30 of 120 queries have more than 8 images; the first 8 are read (image.max_images in conf/encoders)"
    assert (told in caplog.text) == (project != "questions")
    for told in ("60 of 120 queries have more than 1 images", "30 of 120 queries have no image, which transformers/"):
        assert (told in caplog.text) == (project == "pairs")
    train.main()
    for strategy in ("independent", "incremental"):
        extend.main([strategy], standalone_mode=False)
    safe.main()
    scores = read_scores(Path("data/scores/plain/plain-base.parquet"))
    assert np.isfinite(scores.confidence).all()
    router = Router.load(Path("data/routers/arms"), device="cpu")
    paths = [[Path("data/raw/mine") / image for image in of] for of in expected[:8]]
    routes = router.route_batch(paths, prepared.queries["question"].tolist()[:8], why=True)
    assert [len(routed.ranking) for routed in routes] == [3] * 8
    assert router.route(MADE.pictures[0], "How many?").vlm in NAMES
    check_online("data/routers/arms", "data/scores/arms/arms-extended.parquet", prepared)
    if project == "pairs":
        baselines.main()
        for name in ("knn", "linear"):
            check_online(f"data/routers/baselines/{name}", f"data/scores/baselines/{name}-extended.parquet", prepared)


def check_online(folder, scored, prepared):
    """Queries that arrive one by one are scored as by the stored features."""
    router, scores = Router.load(Path(folder), device="cpu"), read_scores(Path(scored))
    queries = prepared.queries.set_index("query_id").loc[list(scores.query_ids[:10])]
    images = [[Path("data/raw/mine") / image for image in of] for of in queries["images"]]
    routes = list(router.route_batch(images, queries["question"].tolist(), policy={"name": "argmax"}))
    found = [{one.vlm: one.confidence for one in route.ranking} for route in routes]
    ours = [[of_query[vlm] for vlm in scores.vlms] for of_query in found]
    np.testing.assert_allclose(ours, scores.confidence[:10], atol=2e-3)

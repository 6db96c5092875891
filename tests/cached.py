"""A tiny prepared dataset with the real features of its images and questions, and a router trained on them."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ruamel.yaml import YAML

from arms.data.prepared import Prepared, text_sha256, write_prepared
from arms.encoders.pair import EncoderPair
from arms.features.dataset import Dataset, Embedder
from arms.features.store import FeatureStore
from arms.features.trunk import run_trunk
from arms.params.tree import Params, read_params
from arms.routers.arms import ArmsRouter
from arms.safe.router import SafeRouter
from tests.fakes import CPU, NAMES, PROFILES, QUESTIONS, make_queries, make_router
from tests.stores import keys

ROOT = Path(__file__).resolve().parents[1]
MADE = make_queries(72)
SPLIT_OF = ("train", "train", "train", "val", "id", "ood")  # of every six queries
OLD, NEW = PROFILES[:2], PROFILES[2]  # the trained router's pool, and the VLM that comes out
SETTINGS = (
    "data=tiny",
    "encoders=toy",
    "evaluate.bootstrap_samples=100",
    "safe.num_folds=2",
    "safe.most_kinds=0",
    *(
        f"extend.{strategy}.{setting}"
        for strategy in ("independent", "incremental")
        for setting in ("epochs=1", "min_steps=6")
    ),
    "runtime.device=cpu",
)


def tiny_params() -> Params:
    """The project's settings, for this dataset and quick."""
    return read_params(ROOT, SETTINGS)


def write_params(folder: Path) -> None:
    """The same as a file."""
    YAML(typ="safe").dump(tiny_params().model_dump(), folder / "params.yaml")
    preset = Path("conf/presets/none.yaml")
    (folder / preset).parent.mkdir(parents=True)
    (folder / preset).write_bytes((ROOT / preset).read_bytes())


def new_outcomes(*splits: str) -> pd.DataFrame:
    """What the new VLM got right on the queries of some splits."""
    rows = [i for i in range(len(MADE.questions)) if SPLIT_OF[i % 6] in splits]
    return pd.DataFrame(
        {"query_id": [f"q{i}" for i in rows], "vlm": NEW.name, "correct": MADE.outcomes[rows, 2].astype(bool)}
    )


def make_prepared() -> Prepared:
    """Six dozen queries, and which of the old VLMs was right; some outcomes are not known."""
    count = len(MADE.questions)
    queries = pd.DataFrame(
        {
            "query_id": [f"q{i}" for i in range(count)],
            "benchmark": "dots",
            "task": ["count" if "dots" in question else "read" for question in MADE.questions],
            "language": "en",
            "question": MADE.questions,
            "images": [(f"images/{i}.png",) for i in range(count)],
            "answer": pd.Series([None] * count, dtype="str"),
            "images_sha256": [(key,) for key in keys(*range(count))],
            "scene": keys(*range(count)),
            "question_sha256": [text_sha256(question) for question in MADE.questions],
            "split": [SPLIT_OF[i % 6] for i in range(count)],
        }
    )
    pairs = [(i, j) for i in range(count) for j in range(2) if (i + j) % 7]
    outcomes = pd.DataFrame(
        {
            "query_id": [f"q{i}" for i, _ in pairs],
            "vlm": [OLD[j].name for _, j in pairs],
            "correct": [bool(MADE.outcomes[i, j]) for i, j in pairs],
        }
    )
    return Prepared(queries, outcomes, OLD, tuple(vlm.name for vlm in OLD), ())


def write_features(encoders: EncoderPair, folder: Path) -> None:
    """What crosses the encoders' cuts, in a store for images and one for texts."""
    texts = list(QUESTIONS)
    image_inputs: list[np.ndarray] = [encoders.image.read(picture) for picture in MADE.pictures]
    for name, encoder, inputs, content in (
        ("image", encoders.image, image_inputs, keys(*range(len(image_inputs)))),
        ("text", encoders.text, encoders.text.tokenize(texts), [text_sha256(text) for text in texts]),
    ):
        store = FeatureStore(folder / f"{name}.zarr", encoder.fingerprint)
        with store.writing():
            store.write_shard(content, run_trunk(encoder, inputs, CPU))
            store.finish()


def make_phi(**settings: Any) -> ArmsRouter:
    """A router over the old VLMs, trained on all queries."""
    phi = _untrained(**settings)
    return phi.fit(MADE.label(phi.encoders, NAMES[:2]))


def _untrained(**settings: Any) -> ArmsRouter:
    return make_router(OLD, image={"tunable_layers": 1}, text={"tunable_layers": 1}, **settings)


def make_safe(phi: ArmsRouter, features: Path) -> SafeRouter:
    """The router joined with a memory of train, by the features in a folder."""
    encoders = _untrained().encoders
    images, texts = (
        FeatureStore(features / f"{name}.zarr", encoder.fingerprint)
        for name, encoder in (("image", encoders.image), ("text", encoders.text))
    )
    embedder = Embedder(encoders, 16, CPU)
    dataset = Dataset.open(make_prepared(), images, texts, max_images=8, budget_bytes=2**30, window_bytes=2**20)
    dataset = dataset.embedded_by(embedder)
    train, val = (dataset.labelled(split, phi.vlms) for split in ("train", "val"))
    return SafeRouter.join(phi, train, val, tiny_params().safe, embedder, seed=1)


def write_cached(folder: Path) -> ArmsRouter:
    """Write data/ and params.yaml as the pipeline leaves them, but for the images, which nobody needs any more."""
    nothing = pd.DataFrame({"query_id": pd.Series([], dtype="str")})
    write_prepared(make_prepared(), {}, nothing, nothing, folder / "data/prepared/tiny")
    phi = make_phi()
    write_features(phi.encoders, folder / "data/features/tiny/toy")
    phi.save(folder / "data/routers/phi")
    make_safe(phi, folder / "data/features/tiny/toy").save(folder / "data/routers/arms-base")
    write_params(folder)
    return phi

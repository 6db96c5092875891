"""How long training takes with the published pair tuned whole, on pictures and questions of the dataset."""

from pathlib import Path

import numpy as np
from PIL import Image

from arms.data.profiles import profile_sentence
from arms.data.tables import QUERIES, read_table
from arms.device import choose_device
from arms.encoders.pair import build_encoders
from arms.encoders.text import train_tokenizer
from arms.features.labelled import Labelled
from arms.features.online import encode_queries
from arms.params.encoders import EncodersParams
from arms.params.tree import Params, read_params
from arms.routers.arms import ArmsRouter
from benchmarks.m2_parts.page import COUNT
from benchmarks.m2_parts.project import PUBLISHED, ROOT, TUNED, pool_profiles
from benchmarks.m2_parts.shape import FREE
from benchmarks.m2_parts.tables import SEED


def published_params() -> Params:
    """The project's settings with the published ones in place."""
    return read_params(ROOT, PUBLISHED)


def training_seconds(raw: Path, device: str, epochs: int) -> tuple[float, ...]:
    """The seconds of each of some epochs of training on `COUNT` queries, after an epoch that is left out."""
    params, profiles = published_params(), pool_profiles()[: len(FREE)]
    rows = read_table(raw / QUERIES.file, QUERIES).sample(COUNT, random_state=SEED)
    pair = EncodersParams.model_validate(TUNED)
    assert pair.text.vocabulary_size is not None
    texts = [*rows["question"], *(profile_sentence(profile, "full") for profile in profiles)]
    tokenizer = train_tokenizer(texts, vocabulary_size=pair.text.vocabulary_size)
    encoders, chosen = build_encoders(pair, seed=SEED, tokenizer=tokenizer), choose_device(device)
    training = params.fit.model_copy(update={"epochs": epochs + 1, "schedule": "constant"})
    router = ArmsRouter(profiles, encoders, params.router, training, device=chosen)
    images = [[Image.open(raw / name) for name in names] for names in rows["images"]]
    queries = encode_queries(encoders, images, list(rows["question"]), chosen)
    outcomes = np.random.default_rng(SEED).integers(0, 2, (COUNT, len(profiles))).astype(np.float32)
    logs = list(router.train(Labelled(queries, router.vlms, outcomes)))
    return tuple(COUNT / log.queries_per_s for log in logs[1:])

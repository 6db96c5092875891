"""An epoch of training on cached features, against the same epoch with the frozen encoders in the loop."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from typing import Literal, TypeVar

import numpy as np
from tokenizers import Tokenizer

from arms.data.profiles import VlmProfile, profile_sentence
from arms.encoders.base import Encoder
from arms.encoders.pair import EncoderPair, build_encoders
from arms.encoders.precision import fastest_precision, in_precision
from arms.encoders.text import train_tokenizer
from arms.features.extract import extract
from arms.features.labelled import Labelled
from arms.features.loader import Features, Queries, gather_queries
from arms.features.reading import Reader
from arms.features.store import FeatureStore
from arms.params.encoders import EncodersParams, read_encoders_params
from arms.routers.arms import ArmsRouter
from benchmarks.feature_parts.live import live_queries
from benchmarks.feature_parts.setup import SEED, Setup, make_keys
from benchmarks.record import Line
from benchmarks.timing import interleave, seconds

PART = "training"
Fusion = Literal["outer", "pooled", "tokens", "concat"]
_VLMS = tuple(VlmProfile(name=f"vlm-{size}b", access="free", params_b=size) for size in (1, 3, 8, 26, 72))


def measure_training(setup: Setup) -> list[Line]:
    """The published pair frozen whole, and the project's default encoders."""
    default = read_encoders_params(setup.params.encoders)
    return [
        *_measure_pair(setup, "frozen", setup.encoders(), "pooled", at_least=30),
        *_measure_pair(setup, setup.params.encoders, default, setup.params.router.fusion, at_least=None),
    ]


def _measure_pair(
    setup: Setup, name: str, params: EncodersParams, fusion: Fusion, *, at_least: float | None
) -> list[Line]:
    encoders = build_encoders(params, seed=SEED, tokenizer=_tokenizer(setup, params))
    fast = replace(encoders, image=_fastest(setup, encoders.image), text=_fastest(setup, encoders.text))
    count = setup.scale.queries
    paths = [str(setup.photos[number % len(setup.photos)]) for number in range(count)]
    questions = setup.questions[:count]
    cached: list[Queries] = []
    extract_s = seconds(lambda: cached.append(_extract(setup, fast, paths, questions)), setup.device)
    outcomes = np.random.default_rng(SEED).integers(0, 2, (count, len(_VLMS))).astype(np.float32)

    def epoch_s(encoders: EncoderPair, queries: Queries, epochs: int) -> float:
        router = _router(setup, encoders, fusion, epochs)
        train = Labelled(queries, router.vlms, outcomes)
        return seconds(lambda: router.fit(train), setup.device) / epochs

    def live_s(workers: int) -> Callable[[], float]:
        queries = live_queries(
            encoders,
            paths,
            questions,
            device=setup.device,
            workers=workers,
            batch_size=setup.params.train.batch_size,
        )
        return lambda: epoch_s(encoders, queries, 1)

    epoch_s(fast, cached[0], 1)  # what is done once alone
    cached_runs, alone_runs, helped_runs = interleave(
        setup.scale.training_rounds,
        lambda: epoch_s(fast, cached[0], setup.scale.epochs),
        live_s(0),
        live_s(setup.params.runtime.num_workers),
    )

    def line(what: str, runs: tuple[float, ...]) -> Line:
        return Line(part=PART, name=f"{name}: {what}", unit="s/epoch", runs=runs)

    own = line("cached features", cached_runs)
    helped = line("encoders in the loop, workers decode", helped_runs)
    saved_s = helped.figure - own.figure
    pays = f"pays after {extract_s / saved_s:.2g} epochs of the loop with workers" if saved_s > 0 else "never pays"
    return [
        own,
        line("encoders in the loop", alone_runs).over(own, at_least=at_least),
        helped.over(own, at_least=at_least),
        Line(part=PART, name=f"{name}: extraction, once", unit="s", runs=(extract_s,), note=pays),
    ]


def _router(setup: Setup, encoders: EncoderPair, fusion: Fusion, epochs: int) -> ArmsRouter:
    head = setup.params.router.model_copy(update={"fusion": fusion})
    training = setup.params.fit.model_copy(update={"epochs": epochs, "seed": SEED})
    return ArmsRouter(_VLMS, encoders, head, training, device=setup.device)


def _tokenizer(setup: Setup, params: EncodersParams) -> Tokenizer | None:
    """Word pieces of the questions and profiles, for an own text encoder; a pretrained one brings its own."""
    if params.text.vocabulary_size is None:
        return None
    sentences = [profile_sentence(profile, setup.params.router.profile) for profile in _VLMS]
    return train_tokenizer([*setup.questions, *sentences], vocabulary_size=params.text.vocabulary_size)


EncoderT = TypeVar("EncoderT", bound=Encoder)


def _fastest(setup: Setup, encoder: EncoderT) -> EncoderT:
    """The encoder with its trunk, if it has one, in the faster precision."""
    if not len(encoder.trunk):
        return encoder
    return in_precision(encoder, fastest_precision(encoder, setup.device))


def _extract(setup: Setup, encoders: EncoderPair, paths: list[str], questions: list[str]) -> Queries:
    """Both modalities into stores, and from them into memory."""
    runtime, keys = setup.params.runtime, make_keys(len(paths))
    path_of = dict(zip(keys, paths, strict=True))
    token_ids = dict(zip(keys, encoders.text.tokenize(questions), strict=True))
    by_length = sorted(keys, key=lambda key: (len(token_ids[key]), key))

    def features(encoder: Encoder, keys: list[str], read: Reader, workers: int) -> Features:
        store = FeatureStore(setup.folder / "cached.zarr", encoder.fingerprint)
        with store.writing():
            extract(
                store,
                keys,
                read,
                encoder,
                label="input",
                batch_size=runtime.extract_batch_size,
                shard_bytes=runtime.shard_mb * 2**20,
                workers=workers,
                device=setup.device,
            )
            store.finish()
        loaded = store.load()
        shutil.rmtree(store.path)
        return loaded

    images = features(encoders.image, keys, lambda key: encoders.image.read(path_of[key]), runtime.num_workers)
    return gather_queries(keys, keys, keys, images, features(encoders.text, by_length, token_ids.__getitem__, 0))

"""Draw the sample dataset from a seed and write it as outcome tables; its outcomes come from the simulator."""

import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from arms.data.atomic import atomic_folder
from arms.data.tables import OutcomeTables, write_dataset
from arms.errors import ArmsError
from arms.progress import progress_bar
from arms.sample.asking import NO_LANGUAGE, Picture, ask_in_words, ask_one, compare_two, show_only
from arms.sample.benchmarks import BENCHMARKS
from arms.sample.canvas import Canvas
from arms.sample.conditions import draw_conditions
from arms.sample.fleet import FLEET
from arms.sample.forms import NO_FORMS, Forms, draw_form
from arms.sample.questions import spell
from arms.sample.scene import Benchmark
from arms.sample.simulator import SimulatedQuery, answer, chance

_PNG_LEVEL = 4  # of 9: higher ones cost time and save little
_CHUNK = 16  # pictures handed to a worker process at once

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Recipe:
    """What all pictures of one dataset share."""

    folder: Path
    seed: int
    questions_per_image: int
    missing_share: float
    forms: Forms


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows for the three tables."""

    queries: list[Row] = field(default_factory=list)
    outcomes: list[Row] = field(default_factory=list)
    probabilities: list[Row] = field(default_factory=list)


def generate_sample(
    folder: Path,
    *,
    seed: int,
    images_per_benchmark: int,
    questions_per_image: int,
    missing_share: float,
    forms: Forms = NO_FORMS,
    workers: int = 1,
) -> None:
    """Write the sample dataset to `folder`, whole or not at all; the same arguments give the same bytes.

    Each picture, with its questions and outcomes, has a generator of its own, derived from the seed, the benchmark and
    its number. So the number of workers changes nothing, more images leave the first ones as they were, and another
    `missing_share` leaves everything else as it was.

    Parameters
    ----------
    folder : Path
        Replaced if there. Holds queries.parquet, outcomes.parquet, probabilities.parquet (each VLM's true chance of
        being right on each query), vlms.yaml, and the pictures in images/.
    seed : int
        At least 0.
    images_per_benchmark : int
        At least 1.
    questions_per_image : int
        Each in a task of its own, so at most the number of tasks of a benchmark.
    missing_share : float in [0, 1)
        Share of the paid VLMs' outcomes that are absent, whatever they would have been.
    forms : Forms
        How many queries have two images, none, or no question. Each takes the place of a picture's last question; the
        other queries stay as they were without.
    workers : int
        Processes that draw; 1 draws in this one.

    Raises
    ------
    ArmsError
        If an argument is out of range.
    """
    _check(seed, images_per_benchmark, questions_per_image, missing_share, workers)
    jobs = [(number, index) for number in range(len(BENCHMARKS)) for index in range(images_per_benchmark)]
    rows = _Rows()
    with atomic_folder(folder) as fresh:
        (fresh / "images").mkdir()
        recipe = _Recipe(
            folder=fresh,
            seed=seed,
            questions_per_image=questions_per_image,
            missing_share=missing_share,
            forms=forms,
        )
        with _mapping(workers) as map_in_order, progress_bar("draw", "images") as progress:
            for done, picture in enumerate(map_in_order(partial(_make_picture, recipe), jobs), start=1):
                rows.queries.extend(picture.queries)
                rows.outcomes.extend(picture.outcomes)
                rows.probabilities.extend(picture.probabilities)
                progress(done, len(jobs))
        dataset = OutcomeTables(
            folder=fresh,
            queries=pd.DataFrame(rows.queries),
            outcomes=pd.DataFrame(rows.outcomes),
            vlms=tuple(vlm.profile for vlm in FLEET),
            probabilities=pd.DataFrame(rows.probabilities),
        )
        write_dataset(dataset, fresh)


def _check(seed: int, images_per_benchmark: int, questions_per_image: int, missing_share: float, workers: int) -> None:
    """Raise an ArmsError that names the first argument out of range."""
    most = min(len(benchmark.tasks) for benchmark in BENCHMARKS)
    for name, value, allowed, fits in (
        ("seed", seed, "an integer >= 0", seed >= 0),
        ("images_per_benchmark", images_per_benchmark, "an integer >= 1", images_per_benchmark >= 1),
        ("questions_per_image", questions_per_image, f"an integer from 1 to {most}", 1 <= questions_per_image <= most),
        ("missing_share", missing_share, "a number >= 0 and < 1", 0 <= missing_share < 1),
        ("workers", workers, "an integer >= 1", workers >= 1),
    ):
        if not fits:
            raise ArmsError(f"generate_sample, {name}: expected {allowed}, got {value!r}")


@contextmanager
def _mapping(workers: int) -> Iterator[Callable[..., Iterator[_Rows]]]:
    """A `map` that keeps the order: in this process, or over as many others."""
    if workers == 1:
        yield map
        return
    # Spawned, not forked: a forked child would inherit locks that other threads (of torch, of Arrow) hold.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        with _interrupts_ignored():
            # Each starts a process, which inherits that: an interrupt is for this one to handle.
            for _ in range(workers):
                pool.submit(int)
        yield partial(pool.map, chunksize=_CHUNK)


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # only the main one may set this
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _make_picture(recipe: _Recipe, job: tuple[int, int]) -> _Rows:
    """Draw and write one picture and ask every VLM about it; `job` is its benchmark's place and its own number."""
    number, index = job
    benchmark = BENCHMARKS[number]
    picture, picture_rng, question_rngs = _draw_picture(recipe, job)
    canvas = Canvas(picture.conditions, picture_rng)
    picture.scene.paint(canvas)
    canvas.image.save(recipe.folder / _path(benchmark, index), compress_level=_PNG_LEVEL)
    rows = _Rows()
    tasks = picture_rng.permutation(benchmark.tasks).tolist()
    form_rng = np.random.default_rng([recipe.seed, number, index, recipe.forms.seed])
    form = draw_form(recipe.forms, index, recipe.questions_per_image, form_rng)
    for turn, rng in enumerate(question_rngs):
        last = turn == recipe.questions_per_image - 1
        images: tuple[str, ...] = (_path(benchmark, index),)
        if form is None or not last:
            query = ask_one(benchmark, picture, tasks[turn], rng)
        elif form == "several-images":
            before, *_ = _draw_picture(recipe, (number, index - 1))
            query = compare_two(benchmark, before, picture, form_rng)
            images = (_path(benchmark, index - 1), *images)
        elif form == "no-image":
            query, images = ask_in_words(benchmark, form_rng), ()
        else:
            query = show_only(benchmark, picture)
        _record(query, f"{benchmark.name}-{index:05d}-{turn}", images, rng, recipe.missing_share, rows)
    return rows


def _draw_picture(
    recipe: _Recipe, job: tuple[int, int]
) -> tuple[Picture, np.random.Generator, list[np.random.Generator]]:
    """What a picture shows and how it looks, and the generators of its painting and of its questions."""
    number, index = job
    rng, *question_rngs = np.random.default_rng([recipe.seed, number, index]).spawn(1 + recipe.questions_per_image)
    conditions = draw_conditions(rng)
    return Picture(BENCHMARKS[number].draw_scene(conditions, rng), conditions), rng, question_rngs


def _path(benchmark: Benchmark, index: int) -> str:
    return f"images/{benchmark.name}-{index:05d}.png"


def _record(
    query: SimulatedQuery,
    query_id: str,
    images: tuple[str, ...],
    rng: np.random.Generator,
    missing_share: float,
    rows: _Rows,
) -> None:
    """Ask every VLM the query and add the known outcomes to the rows."""
    rows.queries.append(
        {
            "query_id": query_id,
            "benchmark": query.benchmark,
            "task": query.fact.task,
            "language": query.language or NO_LANGUAGE,
            "question": query.question,
            "images": images,
            "answer": spell(query.fact.answer, query.answer_language),
        }
    )
    traits = query.traits()
    for vlm, vlm_rng in zip(FLEET, rng.spawn(len(FLEET)), strict=True):
        key = {"query_id": query_id, "vlm": vlm.profile.name}
        probability = chance(vlm, traits)
        rows.probabilities.append({**key, "probability": probability})
        outcome = answer(vlm, query, probability, missing_share=missing_share, rng=vlm_rng)
        if not outcome.timed_out:
            known = {name: getattr(outcome, name) for name in ("correct", "output", "cost_usd", "latency_s")}
            rows.outcomes.append({**key, **known})

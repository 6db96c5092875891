"""The queries about the sample's scenes: on one picture, on two, on one that is only told, or a picture by itself."""

from dataclasses import dataclass

import numpy as np

from arms.sample.conditions import Conditions, draw_conditions
from arms.sample.lexicon import LANGUAGES, TELLINGS
from arms.sample.questions import phrase
from arms.sample.scene import Benchmark, Scene, comparison_fact, description_fact
from arms.sample.simulator import SimulatedQuery

NO_LANGUAGE = "zxx"  # ISO 639: no linguistic content
DESCRIBE = "describe"  # the task of a picture without a question

_ENGLISH_SHARE = 0.5  # the other languages share the rest evenly


@dataclass(frozen=True, slots=True)
class Picture:
    """What a picture shows, and how it looks."""

    scene: Scene
    conditions: Conditions


def ask_one(benchmark: Benchmark, picture: Picture, task: str, rng: np.random.Generator) -> SimulatedQuery:
    """Ask something of a picture."""
    fact = picture.scene.ask(task, rng)
    language = _draw_language(rng)
    return SimulatedQuery(
        fact=fact,
        language=language,
        question=phrase(fact, language, rng),
        benchmark=benchmark.name,
        form=None,
        pictures=(picture.conditions,),
    )


def compare_two(benchmark: Benchmark, first: Picture, second: Picture, rng: np.random.Generator) -> SimulatedQuery:
    """Ask which of two pictures has more of what the benchmark compares."""
    fact = comparison_fact(benchmark.comparison, first.scene.amount, second.scene.amount)
    language = _draw_language(rng)
    return SimulatedQuery(
        fact=fact,
        language=language,
        question=phrase(fact, language, rng),
        benchmark=benchmark.name,
        form="several-images",
        pictures=(first.conditions, second.conditions),
    )


def ask_in_words(benchmark: Benchmark, rng: np.random.Generator) -> SimulatedQuery:
    """Tell a scene that is nowhere drawn, and ask something of it."""
    scene = benchmark.draw_scene(draw_conditions(rng), rng)
    fact = scene.ask(str(rng.choice(benchmark.told_tasks)), rng)
    language = _draw_language(rng)
    told = TELLINGS[language].format(", ".join(scene.tell(language)))
    return SimulatedQuery(
        fact=fact,
        language=language,
        question=f"{told} {phrase(fact, language, rng)}",
        benchmark=benchmark.name,
        form="no-image",
        pictures=(),
    )


def show_only(benchmark: Benchmark, picture: Picture) -> SimulatedQuery:
    """Show a picture without a word; what it shows is to be told."""
    return SimulatedQuery(
        fact=description_fact(DESCRIBE, picture.scene.tell("en")),
        language=None,
        question="",
        benchmark=benchmark.name,
        form="no-question",
        pictures=(picture.conditions,),
    )


def _draw_language(rng: np.random.Generator) -> str:
    """English for its share of the queries, else one of the others."""
    return "en" if rng.random() < _ENGLISH_SHARE else LANGUAGES[1 + rng.integers(len(LANGUAGES) - 1)]

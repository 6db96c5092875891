"""Every router that the settings name: to fit, to score in a batch, to score alone."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from tqdm import tqdm

from arms.baselines.registry import build_router
from arms.params.tree import read_params
from benchmarks.record import Line
from benchmarks.router_parts.scoring import CPU, UNIT, batch_us, single_us
from benchmarks.router_parts.setup import SEED, Setup
from benchmarks.timing import interleave, seconds
from studies.settings import PARAMS, read_study_params

PART = "registry"


def measure_registry(setup: Setup) -> list[Line]:
    """Fit each router once on some of the queries, its settings chosen on val, and score in every round."""
    setup = replace(setup, train=setup.train.subset(np.arange(setup.scale.fitted)))
    named = tqdm(list(named_routers()), desc="routers", unit="routers", leave=False)
    return [line for name, settings, where in named for line in _measure(setup, name, settings, where)]


def named_routers() -> Iterator[tuple[str, dict[str, Any], str]]:
    """Name, settings and their place, of the `baselines` of params.yaml and the `routers` of the studies."""
    studied = read_study_params().routers
    for where, routers in (("params.yaml.baselines", read_params().baselines), (f"{PARAMS}.routers", studied)):
        for name, settings in routers.items():
            yield name, settings, where


def _measure(setup: Setup, name: str, settings: dict[str, Any], where: str) -> list[Line]:
    router = build_router(name, setup.train.vlms, settings, seed=SEED, where=where)
    fit_s = seconds(partial(router.fit, setup.train, setup.val), CPU)
    lines = [Line(part=PART, name=f"{name}: fit on {setup.scale.fitted:,}", unit="s", runs=(fit_s,))]
    measured = {"in a batch": partial(batch_us, router, setup.scored)}
    if not router.asks_vlms:  # such a router has to wait for the VLMs, query by query
        measured["alone"] = partial(single_us, router, setup.scored.queries, setup.scale.singles)
    runs = interleave(setup.scale.rounds, *measured.values())
    return lines + [
        Line(part=PART, name=f"{name}, {how}", unit=UNIT, runs=taken) for how, taken in zip(measured, runs, strict=True)
    ]

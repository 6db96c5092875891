"""What `arms extend` is asked for: the request, its checks, and what its files hold."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from arms.data.prepared import Prepared, read_prepared
from arms.data.profiles import VlmProfile
from arms.errors import ArmsError
from arms.extension.new_vlms import join_new_vlms, read_new_outcomes, read_profiles
from arms.params.training import ExtendParams, Strategy
from arms.routers.cascade import Net
from arms.routers.checkpoint import DESCRIPTION, read_description
from arms.routers.origin import split_sha256
from arms.routers.stored import MODALITIES
from arms.safe.router import SafeRouter


@dataclass(frozen=True, kw_only=True)
class Request:
    """What `arms extend` is asked for.

    Attributes
    ----------
    profile, outcomes : Path
        What is known about the new VLMs; see `arms.extension.new_vlms`. Without outcomes they are scored from their
        profiles only.
    prepared, features : Path
        The prepared dataset, and the folder that holds its image.zarr and text.zarr.
    router, out : Path
        The saved router to extend, which does not change, and the folder for the extended one.
    theta : float or None
        The cascade's threshold. None keeps the threshold of a cascade to extend, and otherwise takes `extend.theta`.
    replace : bool
        Replace a router at `out`.
    """

    profile: Path
    outcomes: Path | None
    prepared: Path
    features: Path
    router: Path
    out: Path
    strategy: Strategy
    theta: float | None = None
    replace: bool = False


def check_request(request: Request, params: ExtendParams) -> None:
    """Raise an ArmsError if parts of the request contradict each other, or if `out` would overwrite something."""
    out, router = request.out.resolve(), request.router.resolve()
    if out == router or out in router.parents or router in out.parents:
        raise ArmsError(
            f"--out {request.out}: expected a folder outside --router {request.router}, which must not change"
        )
    taken = os.path.lexists(request.out)
    if taken and not request.replace:
        raise ArmsError(
            f"--out {request.out}: expected nothing there, got an existing path; name another folder, or add --replace"
        )
    if taken and not (out / DESCRIPTION).is_file():
        raise ArmsError(
            f"--out {request.out}: expected a router to replace, got no {DESCRIPTION} there; name another folder"
        )
    if request.theta is not None and not 0 <= request.theta <= 1:
        raise ArmsError(f"--theta: expected a number in [0, 1], got {request.theta}")
    if request.strategy == "incremental" and request.theta is not None:
        raise ArmsError("--theta: expected only with --strategy independent, which makes a cascade, got incremental")
    if request.strategy == "independent" and params.independent.start != "phi":
        raise ArmsError(
            "params.yaml.extend.independent.start: expected phi, as this command trains a copy of the router's "
            f"weights, got {params.independent.start}; to start from nothing run: dvc repro extend"
        )


class Given(NamedTuple):
    """What the request's files hold: the new VLMs, their outcomes, and how many rows were set aside, and why."""

    profiles: tuple[VlmProfile, ...]
    outcomes: pd.DataFrame
    set_aside: dict[str, int]
    prepared: Prepared


def read_given(request: Request) -> Given:
    """Read the request's files, before the router is loaded, which takes longest.

    Raises
    ------
    ArmsError
        If a file is missing or cannot be used.
    """
    origin = read_description(request.router).get("origin")
    for modality in MODALITIES:
        if not (store := request.features / f"{modality}.zarr").exists():
            raise no_features(store, request)
    profiles, prepared = read_profiles(request.profile), read_prepared(request.prepared)
    if origin and origin["data"] != request.prepared.name and origin["split_sha256"] != split_sha256(prepared):
        raise ArmsError(
            f"{request.router}: trained on the dataset {origin['data']}, params.yaml names {request.prepared.name}; "
            f"set data: {origin['data']} there, or name a router that was trained on {request.prepared.name}"
        )
    names = [vlm.name for vlm in profiles]
    outcomes, set_aside = read_new_outcomes(request.outcomes, names, prepared)
    return Given(profiles, outcomes, set_aside, prepared)


def join_given(request: Request, given: Given, router: Net | SafeRouter) -> Prepared:
    """The prepared dataset with the new VLMs added to the router's pool.

    Raises
    ------
    ArmsError
        If a VLM is not new, or the strategy lacks outcomes to learn from.
    """
    if known := [vlm.name for vlm in given.profiles if vlm.name in router.vlms]:
        raise ArmsError(
            f"{request.profile}: expected VLMs that are new to {request.router}, got {', '.join(known)}; its pool: "
            f"{', '.join(router.vlms)}"
        )
    prepared = join_new_vlms(given.prepared, router.profiles, given.profiles, given.outcomes)
    if request.strategy == "independent" and (untaught := zero_shot(prepared)):
        raise ArmsError(
            f"{request.outcomes or '--outcomes'}: expected outcomes on training queries for a new router to learn "
            f"from, got none of {', '.join(untaught)}; record some, or use --strategy incremental, which needs only "
            "the profile"
        )
    return prepared


def no_features(store: Path, request: Request) -> ArmsError:
    """The error for a store of features that is not there."""
    return ArmsError(
        f"{store}: expected the features that {request.router} was trained on, got none made by its encoders; set data "
        "and encoders in params.yaml to those it was trained with, then: dvc repro encode"
    )


def outcomes_on(prepared: Prepared, split: str, vlms: Sequence[str]) -> np.ndarray:
    """The outcomes on the queries of one split, shape (N, S), NaN unknown."""
    return prepared.outcome_matrix(prepared.split(split)["query_id"], vlms)


def zero_shot(prepared: Prepared) -> list[str]:
    """The new VLMs without an outcome on a training query, which are scored from their profiles only."""
    known = ~np.isnan(outcomes_on(prepared, "train", prepared.new))
    return [vlm for vlm, taught in zip(prepared.new, known.any(axis=0), strict=True) if not taught]

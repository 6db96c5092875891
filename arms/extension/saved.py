"""`arms extend`: new VLMs join a trained router's pool, from their profiles and a table of their outcomes.

The outcomes are on queries of the prepared dataset, whose features are cached, so only the new profiles are encoded.
"""

import time
from typing import Any

import numpy as np

from arms.data.atomic import reserved
from arms.data.prepared import Prepared
from arms.data.splits import SCORED_SPLITS, SPLITS
from arms.errors import ArmsError
from arms.evaluation.outcomes import is_answerable
from arms.evaluation.singles import comparable_accuracy
from arms.extension.before_after import extension_text, judge_extension
from arms.extension.request import Request, check_request, join_given, no_features, outcomes_on, read_given, zero_shot
from arms.extension.strategies import Extension, extend_incrementally, extend_independently
from arms.features.dataset import Dataset, stores_in
from arms.params.runtime import RuntimeParams
from arms.params.training import ExtendParams
from arms.params.tree import EvaluateParams, Params
from arms.routers.arms import ArmsRouter
from arms.routers.cascade import CascadeRouter, Net, first_net
from arms.routers.origin import Origin
from arms.routers.saved import load_router
from arms.safe.router import SafeRouter

Report = dict[str, Any]


def extend_router(request: Request, params: Params) -> Report:
    """Extend a saved router to new VLMs, save the result, and judge both on the same queries.

    Parameters
    ----------
    request : Request
    params : Params
        Its sections extend, costs, evaluate and runtime are read.

    Returns
    -------
    dict, JSON-able
        What was done and what it changed; `report_text` puts it in words.

    Raises
    ------
    ArmsError
        If the request, a file that it names or a setting cannot be used, or another process is at work on `out`.
    """
    started_s = time.perf_counter()
    check_request(request, params.extend)
    with reserved(request.out):
        check_request(request, params.extend)  # another process may have written it by now
        given = read_given(request)
        old = load_old(request, params.runtime)
        prepared = join_given(request, given, old)
        dataset = open_dataset(request, old, prepared, params.runtime)
        new = extended(request, old, dataset, params.extend)
        learnt_from = ("train",) if old.origin is None else old.origin.learnt_from
        new.origin = Origin.of(request.prepared.name, prepared, new.vlms, params.costs, learnt_from)
        new.save(request.out)
    elapsed_s = time.perf_counter() - started_s
    return {
        "router": str(request.router),
        "out": str(request.out),
        "strategy": request.strategy,
        "elapsed_s": round(elapsed_s, 2),
        "vlms": list(new.vlms),
        "new": list(prepared.new),
        "zero_shot": zero_shot(prepared),
        "unrecorded": [vlm for vlm in old.vlms if not (prepared.outcomes["vlm"] == vlm).any()],
        "outcomes": {**count_uses(prepared), "set_aside": given.set_aside},
        "splits": judge_splits(old, new, dataset, params.evaluate),
    }


def load_old(request: Request, params: RuntimeParams) -> Net | SafeRouter:
    """Load the router to extend; raise ArmsError if there is none, or the strategy does not suit it."""
    router = load_router(request.router, device=params.device)
    if not isinstance(router, Net | SafeRouter):
        raise ArmsError(
            f"--router {request.router}: expected ARMS or a net to extend, got a baseline; put the new VLM's outcomes "
            "into the dataset and run: dvc repro"
        )
    if isinstance(net_of(router), CascadeRouter) and request.strategy == "incremental":
        raise ArmsError(
            f"--router {request.router}: expected a single router for --strategy incremental, which trains it further, "
            "got a cascade; use --strategy independent, which puts one more router behind it"
        )
    return router


def net_of(router: Net | SafeRouter) -> Net:
    """The net of a router, which is the router itself unless it is joined with more."""
    return router.net if isinstance(router, SafeRouter) else router


def open_dataset(request: Request, router: Net | SafeRouter, prepared: Prepared, params: RuntimeParams) -> Dataset:
    """The prepared dataset with the features that the router was trained on; raise ArmsError if they are missing."""
    phi = first_net(net_of(router))
    for store in stores_in(request.features, phi.encoders).values():
        if not store.exists():
            raise no_features(store.path, request)
    return Dataset.open_in(
        request.features,
        phi.encoders,
        prepared,
        budget_bytes=params.cache_budget_gb * 2**30,
        window_bytes=phi.training.shuffle_window_mb * 2**20,
    )


def extended(request: Request, old: Net | SafeRouter, dataset: Dataset, params: ExtendParams) -> Net | SafeRouter:
    """The router over the extended pool: its net is trained on the new VLMs, and joined again if the old one was."""
    net = extension_of(request, net_of(old), dataset, params).trained()
    if not isinstance(old, SafeRouter):
        return net
    joined = dataset.embedded_by(old.embedder)
    train, val = (joined.labelled(split, dataset.prepared.extended) for split in ("train", "val"))
    return old.extended(net, train, val)


def extension_of(request: Request, old: Net, dataset: Dataset, params: ExtendParams) -> Extension:
    """Set up the training: the new VLMs are learnt on train, and calibrated on val if outcomes are known there."""
    prepared = dataset.prepared
    pool = prepared.new if request.strategy == "independent" else prepared.extended
    train, val = dataset.labelled("train", pool), dataset.labelled("val", pool)
    own_val = val if val.known.any() else None
    if request.strategy == "incremental":
        assert isinstance(old, ArmsRouter)
        return extend_incrementally(old, prepared.vlms, train, own_val, params.incremental)
    if isinstance(old, CascadeRouter) and request.theta is not None:
        old = CascadeRouter(old.phi, old.thetas, theta=request.theta)
    new = prepared.vlms[len(prepared.base) :]
    theta = params.theta if request.theta is None else request.theta
    return extend_independently(old, new, train, own_val, params.independent, theta=theta)


def judge_splits(
    old: Net | SafeRouter, new: Net | SafeRouter, dataset: Dataset, params: EvaluateParams
) -> dict[str, dict[str, Any]]:
    """What the extension changed, by split; see `judge_extension`. A split with no query to judge on is left out."""
    prepared = dataset.prepared
    best_single = comparable_accuracy(outcomes_on(prepared, "train", new.vlms))
    judged = {}
    for split in SCORED_SPLITS:
        outcomes = outcomes_on(prepared, split, new.vlms)
        if not is_answerable(outcomes).any():
            continue
        queries = dataset.queries(split)
        judged[split] = judge_extension(
            old.scores("old", "base", queries),
            new.scores("new", "extended", queries),
            outcomes,
            best_single=best_single,
            tasks=prepared.split(split)["task"].to_numpy(),
            groups=prepared.scene_groups(queries.ids),
            samples=params.bootstrap_samples,
            seed=params.seed,
        )
    return {split: changes for split, changes in judged.items() if changes is not None}


def count_uses(prepared: Prepared) -> dict[str, int]:
    """How many of the new VLMs' outcomes were trained on, calibrated on, or only used in the report."""
    train, val, *test = (int((~np.isnan(outcomes_on(prepared, split, prepared.new))).sum()) for split in SPLITS)
    if not train:  # without training nothing is calibrated
        return {"taught": 0, "calibrated": 0, "only_reported": val + sum(test)}
    return {"taught": train, "calibrated": val, "only_reported": sum(test)}


def report_text(report: Report) -> str:
    """The report of `extend_router` as lines to read."""
    outcomes = report["outcomes"]
    lines = [
        f"{report['out']}: {report['router']} and {', '.join(report['new'])}, {report['strategy']}, "
        f"{len(report['vlms'])} VLMs, in {report['elapsed_s']:.1f} s",
        f"outcomes: {outcomes['taught']:,} taught, {outcomes['calibrated']:,} calibrated, "
        f"{outcomes['only_reported']:,} only reported, {sum(outcomes['set_aside'].values()):,} set aside",
        *(f"  set aside, {reason}: {count:,}" for reason, count in outcomes["set_aside"].items()),
    ]
    if report["zero_shot"]:
        lines.append(f"no outcome on a training query, scored from the profile only: {', '.join(report['zero_shot'])}")
    if report["unrecorded"]:
        lines.append(
            f"no outcome in the prepared dataset, not in the pools judged below: {', '.join(report['unrecorded'])}"
        )
    lines += [extension_text(split, changes) for split, changes in report["splits"].items()]
    return "\n".join(lines)

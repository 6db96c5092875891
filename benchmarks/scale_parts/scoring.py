"""Scoring all queries of val and test by the net that comes with arms, on features that stand for encoders' own."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from arms.cli.completers import STARTER
from arms.data.atomic import atomic_folder
from arms.data.prepared import Prepared, read_prepared
from arms.data.scores import Scores, read_scores, write_scores
from arms.data.splits import SCORED_SPLITS
from arms.routers.arms import ArmsRouter
from arms.routers.saved import load_router
from benchmarks.scale_parts.dataset import BASELINES, PROFILES, SEED
from benchmarks.scale_parts.features import StandIns
from stages.scores import ARMS
from stages.workspace import SCORES, open_workspace


def scoring() -> Callable[[], object]:
    """The net's scores on cached features, as tables of both pools."""
    net = load_router(STARTER, device="cpu")
    assert isinstance(net, ArmsRouter)
    router, features = net.over(PROFILES), StandIns.by(net)

    def work() -> None:
        prepared = read_prepared(open_workspace().prepared)
        scores = router.scores("arms", "extended", features.queries(prepared, SCORED_SPLITS))
        with atomic_folder(SCORES / "arms") as folder:
            for pool in ("base", "extended"):
                write_scores(_over(scores, prepared, "arms", pool), folder / f"arms-{pool}.parquet")

    return work


def scoring_others() -> Callable[[], object]:
    """Not measured: tables of the other routers that the judge expects, the scores of the net with noise."""

    def work() -> None:
        rng, prepared = np.random.default_rng(SEED), read_prepared(open_workspace().prepared)
        scores = read_scores(SCORES / "arms" / "arms-extended.parquet")
        both = ("base", "extended")
        tables: dict[str, tuple[str, tuple[str, ...]]] = {name: (name, both) for name in ARMS}
        tables |= dict.fromkeys((*BASELINES, "oracle"), ("baselines", both))
        tables |= {"plain": ("plain", ("base",)), "independent": ("independent", ("extended",))}
        for router, (folder, pools) in tables.items():
            if router == "arms":
                continue
            confidence = scores.confidence + rng.normal(0, 0.1, scores.confidence.shape).astype(np.float32)
            if router == "oracle":
                confidence = np.nan_to_num(prepared.outcome_matrix(scores.query_ids, prepared.extended))
            given = replace(scores, confidence=confidence.clip(0, 1))
            for pool in pools:
                (SCORES / folder).mkdir(parents=True, exist_ok=True)
                write_scores(_over(given, prepared, router, pool), SCORES / folder / f"{router}-{pool}.parquet")

    return work


def _over(scores: Scores, prepared: Prepared, router: str, pool: str) -> Scores:
    """Scores of the extended pool, of another router, for one of both pools."""
    vlms = prepared.base if pool == "base" else prepared.extended
    return replace(scores, router=router, pool=pool, vlms=vlms, confidence=scores.confidence[:, : len(vlms)])

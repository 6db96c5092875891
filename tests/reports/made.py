"""A made-up summary of the studies on one dataset."""

import json

from arms.evaluation.metrics import PARTIAL

METRICS = {
    "em": 0.8, "em_low": 0.75, "em_high": 0.85, "gain": 0.1, "gain_low": 0.05, "gain_high": 0.15, "gap_closed": 0.5,
    "em_all": 0.7, "auroc": 0.77, "ece_all": 0.02, "queries": 90, "queries_all": 100, "oracle_em": 1.0,
    "best_single_em": 0.7, "best_possible_em": None, "over_knn": 0.03, "over_knn_low": -0.01, "over_knn_high": 0.07,
}  # fmt: skip
STATISTICS = {
    "split": "id", "benchmark": "all", "queries": 100, "images": 50, "languages": 1, "tasks": 2,
    "question_words": 6.5, "answerable_base": 90, "answerable_extended": 95, "known_outcomes": 400,
    "accuracy": {"a": 0.5, "b": None},
}  # fmt: skip
POOLS = [
    {"pool": pool, "vlms": vlms, "split": "id", "queries": 100, "complete": 80, "answerable": 70}
    for pool, vlms in (("base", 1), ("extended", 2))
]
FIVE = ("accuracy", "precision", "recall", "f1", "em")
SWEPT = (*FIVE, "em_all")


def spread(em, low=None, high=None):
    values = {"mean": em, "low": low or em, "high": high or em}
    return dict.fromkeys(FIVE, values)


def extension(ood=True):
    margin, none = {"difference": -0.01, "low": -0.03, "high": 0.02}, dict.fromkeys(METRICS)
    strategy = {
        "seconds": 1.26,
        "metrics": {"id": METRICS, "ood": METRICS if ood else none},
        "over_phi_alone": {"id": margin, "ood": margin},
        "over_full": {"id": margin, "ood": margin},
        "new_share": {"id": 0.254, "ood": 0.254},
    }
    before = {"before": METRICS, "after": METRICS | {"em": 0.78}, "after_minus_before": margin}
    few = {"outcomes": 16, "split": "id", "metric": "em", "mean": 0.7, "low": 0.68, "high": 0.72}
    return {
        "new": ["nova"],
        "strategies": {"incremental": strategy, "Phi alone": strategy},
        "forgotten": {"id": before, "ood": {"before": none}},
        "few-shot": [
            few | {"strategy": "kNN"},
            few | {"strategy": "kNN", "outcomes": 0, "mean": 0.5},
            few | {"strategy": "kNN", "metric": "em_all", "mean": 0.4, "low": 0.4, "high": 0.4},
        ],
        "theta": [
            {"theta": theta, "split": split, "calibrated": calibrated, **dict.fromkeys(SWEPT, theta - calibrated / 10)}
            for theta in (0.5, 1.0)
            for split in (("id", "ood") if ood else ("id",))
            for calibrated in (True, False)
        ],
        "initial": [
            {"share": share, "split": "id", "metric": metric, "mean": share, "low": share, "high": share + 0.1}
            for share in (0.2, 1.0)
            for metric in SWEPT
        ],
    }


def summary(ood=True, quick=False, extended=True):
    none = {**METRICS, "queries": 0}
    held_out = METRICS if ood else none
    router = {"id": {"base": METRICS, "extended": METRICS}, "ood": {"base": held_out, "extended": held_out}}
    vlms = {key: {"base": {"a": METRICS}, "extended": {"a": METRICS, "b": METRICS}} for key in ("id", "ood")}
    behind = {"difference": 0.02, "claim_low": -0.01, "claim_high": 0.05}
    nothing = dict.fromkeys(behind)
    variant = {
        "id": spread(0.61, 0.6, 0.62),
        "ood": spread(0.5) if ood else {},
        "phi_minus_this": {"id": behind, "ood": behind if ood else nothing},
    }
    return {
        "quick": quick,
        "settings": {"encoders": "bundled", "preset": "none", "epochs": 7, "seed": 1},
        "metrics": {
            "arms": router,
            "plain": router,
            "knn": router,
            "best-single": router,
            "oracle": router,
            "vlms": vlms,
        },
        "statistics": [STATISTICS],
        "splits": {
            "splits": {"train": {"queries": 70, "distinct_images": 35, "scenes": 30}},
            "largest_scene_queries": 4,
            "near_copies": {},
            "excluded_queries": 0,
        },
        "pools": POOLS,
        "comparison": {"multimodal": True, "outputs": False, "queries": 100},
        "rescue": {"id": {}},
        "extension": extension(ood) if extended else {},
        "studies": {
            "ablation": {"full": variant, "one-expert": variant},
            "tuning": {"both-tuned": variant, "image-frozen": variant},
            "data": {"20": variant, "100": variant},
            "epochs": {"1": variant},
        },
    }


def replayed(made, pools):
    """A summary in which some pools have no complete case on id, only a partial replay."""
    made = json.loads(json.dumps(made))  # no metrics shared between routers
    for name in ("arms", "knn", "best-single", "oracle"):
        for pool in pools:
            values = made["metrics"][name]["id"][pool]
            partial = {f"partial_{key}": values[key] for key in PARTIAL}
            made["metrics"][name]["id"][pool] = dict.fromkeys(values) | {"queries": 0, "queries_all": 0} | partial
    return made


def claim(verdict):
    """A difference with a simultaneous interval that gives the verdict."""
    middle = {"better": 0.1, "level": 0.0, "worse": -0.1}[verdict]
    return {"difference": middle, "low": middle - 0.05, "high": middle + 0.05, "p": 0.01, "verdict": verdict}


def studied(ood=True, **settings):
    """A summary with the study of all routers, in which ARMS is above one reference, level with one and below one."""
    arms = {"best-single": claim("better"), "knn": claim("level"), "linear": claim("worse")}
    pools = {"base": {"arms": arms}, "extended": {"arms": arms}}
    row = {"em": 0.7, "em_low": 0.6, "em_high": 0.8}
    panel = {"elo": row | {"em": 0.8}, "arms": row, "knn": row | {"em": 0.6}}
    splits = ("id", "ood") if ood else ("id",)
    return summary(ood, **settings) | {
        "routers": {
            "leaderboard": {split: dict.fromkeys(pools, panel) for split in splits},
            "beaten": {},
            "sources": {"extended": {"a": "recorded"}},
            "seeds": {"arms": [1, 2, 3], "elo": [1], "knn": [1]},
            "em_by_seed": {"arms": {split: {key: [0.69, 0.7, 0.71] for key in pools} for split in splits}},
            "claims": dict.fromkeys(splits, pools),
        }
    }

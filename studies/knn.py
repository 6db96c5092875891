"""kNN over the extended pool: new outcomes go into its index without any training."""

import numpy as np

from arms.baselines.registry import build_router
from arms.data.scores import Scores
from arms.data.splits import SCORED_SPLITS
from arms.device import choose_device
from arms.features.dataset import Embedder
from studies.setup import Setup


def knn_scores(setup: Setup, known: np.ndarray | None = None) -> Scores:
    """Fit kNN on all outcomes; with `known`, the new VLMs' outcomes are cut down as in `Setup.extended`."""
    params = setup.workspace.params
    embedder = Embedder(setup.fresh_encoders, 256, choose_device(params.runtime.device))
    dataset = setup.dataset.with_embeddings(embedder, params.costs)
    pool = dataset.prepared.extended
    train, val = (dataset.labelled(split, pool) for split in ("train", "val"))
    if known is not None:
        train = train.forget(~known, setup.new)
        val = val.forget(np.ones(len(val), dtype=bool), setup.new)
    router = build_router("knn", pool, params.baselines["knn"], seed=params.seed)
    return router.fit(train, val).scores("knn", "extended", dataset.queries(*SCORED_SPLITS))

"""Phi, the router over the base pool: how to build it, what to train it on, and how to load it once trained."""

import numpy as np

from arms.device import choose_device
from arms.encoders.pair import EncoderPair
from arms.errors import ArmsError
from arms.features.dataset import Dataset
from arms.features.labelled import Labelled
from arms.routers.arms import ArmsRouter
from arms.routers.loading import load_whole
from arms.training.choice import choose_queries
from stages.workspace import ROUTERS, Workspace


def untrained_phi(workspace: Workspace, dataset: Dataset, encoders: EncoderPair) -> ArmsRouter:
    """An untrained ARMS router over the base pool; the encoders' tails become part of it."""
    params, prepared = workspace.params, dataset.prepared
    profiles = [vlm for vlm in prepared.vlms if vlm.name in prepared.base]
    return ArmsRouter(profiles, encoders, params.router, params.fit, device=choose_device(params.runtime.device))


def training_data(workspace: Workspace, dataset: Dataset) -> tuple[Labelled, Labelled]:
    """The queries that Phi is trained on, and val."""
    params, base = workspace.params, dataset.prepared.base
    train = dataset.labelled("train", base)
    shared = train.in_share(params.train.data_share, params.seed, at_least=1)
    return choose_queries(train.subset(np.flatnonzero(shared)), base, params.train), dataset.labelled("val", base)


def load_phi(workspace: Workspace, encoders: EncoderPair) -> ArmsRouter:
    """Load Phi as the train stage saved it; raise ArmsError if it was trained on features of other encoders."""
    folder, device = ROUTERS / "phi", workspace.params.runtime.device
    phi = load_whole(folder, lambda: ArmsRouter.from_folder(folder, device=device))
    trained_on, current = phi.encoders.fingerprints, encoders.fingerprints
    for modality in sorted(trained_on | current):
        if trained_on.get(modality) != current.get(modality):
            raise ArmsError(
                f"{folder} was trained on features {trained_on.get(modality)}, the settings ask for "
                f"{current.get(modality)}; run: dvc repro train"
            )
    return phi

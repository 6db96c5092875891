"""What the studies of the extension share: the dataset, Phi as the pipeline trained it, and the judge."""

import copy
import logging
from dataclasses import dataclass
from typing import Any

import numpy as np

from arms.data.atomic import atomic_file
from arms.data.prepared import write_json
from arms.data.scores import Scores
from arms.data.splits import SCORED_SPLITS
from arms.encoders.pair import EncoderPair
from arms.evaluation.judge import Judge
from arms.extension.strategies import extend
from arms.features.dataset import Dataset
from arms.features.labelled import Labelled
from arms.params.training import Strategy
from arms.routers.arms import ArmsRouter
from arms.routers.base import BaseRouter
from arms.routers.cascade import Net
from stages.dataset import open_dataset
from stages.phi import load_phi
from stages.workspace import Workspace, open_workspace
from studies.settings import FIVE_METRICS, RESULTS, read_study_params

Json = dict[str, Any]

logger = logging.getLogger("studies.extension")


@dataclass(frozen=True)
class Setup:
    """A dataset with new VLMs, and the Phi that is extended to them.

    Attributes
    ----------
    encoders : EncoderPair
        Before any tuning.
    seeds : tuple of int
        The seeds of the studies; only the first if `quick` is set.
    """

    workspace: Workspace
    dataset: Dataset
    encoders: EncoderPair
    phi: ArmsRouter
    judge: Judge
    seeds: tuple[int, ...]

    @property
    def new(self) -> tuple[str, ...]:
        """The new VLMs."""
        return self.dataset.prepared.new

    @property
    def fresh_encoders(self) -> EncoderPair:
        """A copy of the encoders; a router tunes those that it gets."""
        return copy.deepcopy(self.encoders)

    def scored(self, name: str, router: BaseRouter) -> Scores:
        """A router's scores over the extended pool."""
        return router.scores(name, "extended", self.dataset.queries(*SCORED_SPLITS))

    def extended(self, strategy: Strategy, phi: ArmsRouter, known: np.ndarray | None = None) -> Net:
        """Phi extended by one of the two strategies.

        Parameters
        ----------
        known : ndarray of shape (N,), bool, optional
            The training queries on which the new VLMs' outcomes are used; then none of their val outcomes are. By
            default all are.
        """
        prepared = self.dataset.prepared
        train, val = (self.dataset.labelled(split, prepared.extended) for split in ("train", "val"))
        own_val: Labelled | None = val
        if known is not None:
            train = train.forget(~known, self.new)
            # Theta would need the new VLMs' val outcomes.
            own_val = None if strategy == "independent" else val.forget(np.ones(len(val), dtype=bool), self.new)
        params = self.workspace.params.extend
        return extend(strategy, phi, prepared.vlms, train, own_val, params, untuned=self.encoders).trained()


def open_setup() -> Setup:
    """Read the pipeline's settings, features and Phi."""
    workspace, params = open_workspace(), read_study_params()
    dataset, encoders = open_dataset(workspace)
    evaluate = workspace.params.evaluate
    judge = Judge(dataset.prepared, {}, samples=evaluate.bootstrap_samples, seed=evaluate.seed)
    seeds = tuple(params.seeds[:1] if params.quick else params.seeds)
    return Setup(workspace, dataset, encoders, load_phi(workspace, encoders), judge, seeds)


def five_metrics(setup: Setup, split: str, scores: Scores) -> Json:
    """The paper's five metrics of a router on one split, as in its Fig. 7, and EM over all queries."""
    metrics = setup.judge.metrics_on(split, scores)
    return {name: metrics[name] for name in (*FIVE_METRICS, "em_all")}


def write_part(setup: Setup, part: str, content: Any) -> None:
    """Write studies/results/<data>/extension/PART.json."""
    file = RESULTS / setup.workspace.params.data / "extension" / f"{part}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(file) as draft:
        write_json(content, draft)
    logger.info("wrote %s", file)

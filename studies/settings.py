"""studies/params.yaml: what the studies vary."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from arms.params.section import Name, RouterSettings, Section, Seed, read_section
from stages.workspace import Workspace

PARAMS = Path("studies/params.yaml")
RESULTS = Path("studies/results")
STUDIES = ("ablation", "tuning", "data", "epochs")
FIVE_METRICS = ("accuracy", "precision", "recall", "f1", "em")  # those of the paper's Table 3 and Fig. 7


class Variants(Section):
    """The settings of each study's variants, by name."""

    ablation: dict[Name, str]
    tuning: dict[Name, str]
    data: dict[Name, str]
    epochs: dict[Name, str]


class UnseenParams(Section):
    """Which kinds of queries are left out of training in turn, and which routers are judged on them."""

    by: list[Literal["task", "benchmark", "language"]]
    least_queries: Annotated[int, Field(ge=1)]  # kinds with fewer, in train and val, are not left out
    seeds: Annotated[list[Seed], Field(min_length=1)]  # of ARMS
    routers: Annotated[list[Name], Field(min_length=1)]  # arms, plain, and names under `baselines` or `routers`


class CurveParams(Section):
    """On which parts of the training queries routers are fitted for the learning curve, and which routers."""

    shares: Annotated[list[Annotated[float, Field(gt=0, le=1)]], Field(min_length=2)]  # of the scenes, rising
    draws: Annotated[int, Field(ge=1)]  # of each share but the whole
    routers: Annotated[list[str], Field(min_length=1)]  # arms, plain, and names under `baselines` of params.yaml


class EncoderStudyParams(Section):
    """How pairs of encoders are compared by nested cross-validation."""

    pairs: Annotated[list[Name], Field(min_length=1)]  # under conf/encoders/; differences are from the first
    folds: Annotated[int, Field(ge=2)]  # by scene
    seeds: Annotated[list[Seed], Field(min_length=1)]  # a division and a training each
    settings: str  # that win over params.yaml, such as epochs=8
    timed: Annotated[int, Field(ge=1)]  # queries that are encoded anew for the rates


class StudyParams(Section):
    """studies/params.yaml."""

    seeds: Annotated[list[Seed], Field(min_length=1)]
    fewer_seeds: dict[str, Annotated[int, Field(ge=1)]]  # router -> how many of the seeds it is fitted with
    quick: bool
    tuned_encoders: Name
    unseen: UnseenParams
    curve: CurveParams
    encoder_pairs: EncoderStudyParams
    studies: Variants
    routers: RouterSettings  # too heavy for the pipeline; written as under `baselines` in params.yaml


def read_study_params() -> StudyParams:
    """Read studies/params.yaml; raise ArmsError with the key, the value and what is allowed."""
    return read_section(PARAMS, StudyParams)


def with_seed(workspace: Workspace, seed: int, **train: Any) -> Workspace:
    """The workspace with another seed, and changes to the settings of training.

    Only a router gets the new seed: the features belong to encoders of the pipeline's seed.
    """
    params = workspace.params
    changed = params.model_copy(update={"seed": seed, "train": params.train.model_copy(update=train)})
    return replace(workspace, params=changed)

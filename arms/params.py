"""The settings tree: params.yaml and the files under conf/ that it names, read and checked.

Every setting stands in those files and none has a default here, so that ``dvc params diff`` shows every change.
Each class below is one section; a stage hands each part of ``arms`` its own section, never the whole tree.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from arms.errors import ArmsError

Share = Annotated[float, Field(ge=0, lt=1)]
PositiveInt = Annotated[int, Field(ge=1)]
PositiveFloat = Annotated[float, Field(gt=0)]


class Section(BaseModel):
    """A section of the settings: unknown keys, values of another type, infinity and NaN are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


SectionT = TypeVar("SectionT", bound=Section)


# --- conf/data/<name>.yaml ---------------------------------------------------------------------------------------


class PoolParams(Section):
    """Which VLMs can be chosen: from the start, and after the extension."""

    base: Annotated[list[str], Field(min_length=1)]  # VLMs that can be chosen from the start, S
    new: list[str]  # VLMs that join later, S' without S; none: the extended pool is the base pool


class OodParams(Section):
    """What is held out of training altogether to measure generalisation."""

    benchmarks: list[str]  # benchmarks held out, by the column `benchmark`
    tasks: list[str]  # tasks held out, by the column `task`


class SplitParams(Section):
    """How the other images are divided; the rest of them is the training split."""

    val_share: Share  # share of the images not held out that settings are chosen and calibrated on
    id_share: Share  # share of these images that is the test in distribution
    seed: int  # of the images' places in the splits


class SampleParams(Section):
    """The generator of the embedded sample dataset."""

    seed: Annotated[int, Field(ge=0)]  # of the pictures, the questions and the VLMs' answers
    images_per_benchmark: PositiveInt  # of each benchmark
    questions_per_image: Annotated[int, Field(ge=1, le=2)]  # one or two
    missing_share: Share  # share of the paid VLMs' outcomes that is unknown


class DataParams(Section):
    """One dataset of outcome tables, conf/data/<name>.yaml; its tables lie in data/raw/<name>."""

    description: str  # what it is and where it comes from, for the page of results
    pools: PoolParams
    ood: OodParams
    splits: SplitParams
    strict: bool  # refuse a dataset with unusable rows instead of setting them aside
    sample: SampleParams | None  # null: the tables are imported, not generated


# --- conf/encoders/<name>.yaml -----------------------------------------------------------------------------------


def _check_layers(value: Any) -> Any:
    if value == "all" or (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
        return value
    raise ValueError(f"expected an integer >= 0 or 'all', got {value!r}")


TunableLayers = Annotated[int | Literal["all"], BeforeValidator(_check_layers)]
PrecisionChoice = Literal["auto", "float32", "bfloat16"]


class ImageEncoderParams(Section):
    """The image encoder, an open_clip visual tower."""

    model: str | None  # bundled, or the name of an open_clip architecture; null: `architecture` below
    architecture: dict[str, Any] | None  # an open_clip model configuration: embed_dim, vision_cfg
    pretrained: str | None  # bundled, an open_clip tag or the path of a checkpoint; null: initialised from the seed
    resize: Literal["shortest", "longest", "squash"]  # to the tower's square input: cropped, padded or distorted
    tunable_layers: TunableLayers  # blocks above the cut, which train with the head; 0: all are frozen and cached
    precision: PrecisionChoice  # of the frozen blocks; auto: bfloat16 where that is measured to be faster
    store_tokens: bool  # keep the token states too where all layers are frozen; `fusion: tokens` needs them

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        return _check_source(self, self.model, self.architecture, self.pretrained)


class TextEncoderParams(Section):
    """The text encoder, a transformers model with a list of layers, such as DistilBERT or BERT."""

    model: str | None  # bundled, a hub name or the path of a folder in the hub's layout; null: `architecture` below
    architecture: dict[str, Any] | None  # a DistilBertConfig, initialised from the seed
    vocabulary_size: PositiveInt | None  # word pieces learnt from the training questions, for `architecture`
    pooling: Literal["cls", "mean"]  # a text's vector: the first token's state, or the mean over all tokens
    max_tokens: PositiveInt  # longer texts are cut off, and reported
    tunable_layers: TunableLayers  # blocks above the cut, which train with the head; 0: all are frozen and cached
    precision: PrecisionChoice  # of the frozen blocks; auto: bfloat16 where that is measured to be faster

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.vocabulary_size is None) != (self.architecture is None):
            raise ValueError("vocabulary_size goes with architecture: set both or neither")
        return _check_source(self, self.model, self.architecture, self.model)


class EncodersParams(Section):
    """An encoder pair, conf/encoders/<name>.yaml."""

    image: ImageEncoderParams
    text: TextEncoderParams


def _check_source(section: Any, model: str | None, architecture: dict | None, pretrained: str | None) -> Any:
    if (model is None) == (architecture is None):
        raise ValueError("set exactly one of model and architecture; the other is null")
    if architecture is not None and pretrained is not None:
        raise ValueError("pretrained weights go with a model, not with an architecture of one's own")
    return section


# --- params.yaml -------------------------------------------------------------------------------------------------


class RouterParams(Section):
    """The net: gate, fusion experts and cosine classifier."""

    profile: Literal["full", "name"]  # what a VLM's sentence M_j says: all facts, or its name alone
    inputs: Literal["both", "text", "image"]  # text and image leave the other one out, as ablations
    fusion: Literal["pooled", "tokens", "concat"]  # attention to one image vector (published), to tokens, or none
    num_experts: PositiveInt  # fusion experts, E
    top_k: PositiveInt  # experts kept per query; E is the published dense mixture
    num_heads: PositiveInt  # heads of an expert's attention
    attention_width: PositiveInt  # of an expert's attention, all heads together; a multiple of num_heads
    ffn_width: PositiveInt  # of an expert's hidden layer
    dropout: Share  # in an expert's hidden layer
    project_profiles: bool  # put a learned map before the VLMs' profile vectors; false as published
    logit_scale: PositiveFloat  # factor of the logits, the arctanh of a cosine, at the start; 1 as published
    learn_logit_scale: bool  # let that factor train; false as published
    logit_min: Annotated[float, Field(lt=0)]  # logits below it are raised to it (Eq. 6)
    logit_max: PositiveFloat  # logits above it are lowered to it (Eq. 6)

    @model_validator(mode="after")
    def _sizes_agree(self) -> Self:
        if self.top_k > self.num_experts:
            raise ValueError(f"top_k must be at most num_experts ({self.num_experts}), got {self.top_k}")
        if self.attention_width % self.num_heads:
            raise ValueError(
                f"attention_width must be a multiple of num_heads ({self.num_heads}), got {self.attention_width}"
            )
        return self


Trains = Literal["all", "head", "image", "text"]  # the head, and both, neither or one of the encoders' tunable layers


class TrainParams(Section):
    """Optimisation by AdamW."""

    trains: Trains  # the head, and: all tunable layers, none, the image encoder's or the text encoder's
    data_share: Annotated[float, Field(gt=0, le=1)]  # share of the training images that is trained on
    batch_size: PositiveInt  # queries a step; each brings its outcomes on every VLM
    group_by_image: bool  # put queries that share an image into one batch, where it is encoded once
    shuffle_window_mb: PositiveInt  # MiB of features among which queries are shuffled; all, where they are fewer
    learning_rate: PositiveFloat  # of the head
    tail_learning_rate: PositiveFloat  # of the encoders' tunable layers
    weight_decay: Annotated[float, Field(ge=0)]  # of AdamW
    schedule: Literal["constant", "cosine"]  # of the learning rates after the warm-up; cosine falls to zero
    warmup_share: Share  # share of the steps over which the learning rates rise
    clip_norm: PositiveFloat | None  # largest norm of the gradient; null: as it is
    class_weights: Literal["none", "balanced"]  # balanced: a VLM's right and wrong outcomes count alike
    importance_weight: Annotated[float, Field(ge=0)]  # weight of a loss that has the experts used alike
    augment: bool  # shift pictures and change their light, where their pixels train
    keep: Literal["best", "last"]  # the weights of the epoch with the best EM on val, or of the last one
    patience: PositiveInt | None  # epochs without a better EM on val after which training stops; null: never
    calibrate: bool  # fit a temperature on val


class FitParams(TrainParams):
    """What one training run receives: how it optimises, how long, and from which seed."""

    epochs: PositiveInt  # passes over the training queries
    seed: Annotated[int, Field(ge=0)]  # of weights, the order of the queries and dropout


Strategy = Literal["incremental", "independent"]


class IncrementalParams(Section):
    """Incremental extension (Eq. 7): continue from Phi on the outcomes of the extended pool."""

    trains: Trains  # as train.trains
    epochs: PositiveInt  # passes over the queries
    min_steps: PositiveInt  # optimizer steps at least: there are more epochs where outcomes are few
    learning_rate: PositiveFloat  # of all that trains
    rehearsal_share: Annotated[float, Field(ge=0, le=1)]  # share of the images whose old outcomes train again


class IndependentParams(Section):
    """Independent extension: Theta on the new VLMs alone."""

    start: Literal["phi", "nothing"]  # a copy of Phi's weights, or a new router, as published
    epochs: PositiveInt  # passes over the queries with an outcome of a new VLM
    min_steps: PositiveInt  # optimizer steps at least: there are more epochs where outcomes are few
    learning_rate: PositiveFloat  # of all that trains


class ExtendParams(Section):
    """Growing the pool from S to S'."""

    strategy: Strategy  # which of the two metrics call `arms` on the extended pool
    theta: Annotated[float, Field(ge=0, le=1)]  # Theta is asked where Phi is no surer than this (Algorithm 1)
    incremental: IncrementalParams
    independent: IndependentParams


class CostsParams(Section):
    """What an answer is taken to cost where no cost is recorded: see `arms.data.costs.estimate_costs`."""

    characters_per_token: PositiveFloat  # of a question, on average
    image_tokens: Annotated[int, Field(ge=0)]  # tokens of an image, in the prompt
    answer_tokens: Annotated[int, Field(ge=0)]  # tokens of an answer
    own_compute_usd_per_b: Annotated[float, Field(ge=0)]  # of a free VLM: USD for 1e6 tokens and 1e9 parameters


# What params.yaml holds; for those who route without that file.
STANDARD_COSTS = CostsParams(characters_per_token=4.0, image_tokens=768, answer_tokens=32, own_compute_usd_per_b=0.02)


class EvaluateParams(Section):
    """How scores become metrics."""

    bootstrap_samples: Annotated[int, Field(ge=100)]  # draws behind each 95 % interval
    seed: int  # of the draws


def _check_workers(value: Any) -> Any:
    if value == "auto" or (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
        return value
    raise ValueError(f"expected an integer >= 1 or 'auto', got {value!r}")


class RuntimeParams(Section):
    """What changes speed alone; no stage lists it, so changing it re-runs nothing."""

    device: Literal["auto", "cpu", "cuda"]  # auto: a GPU where there is one
    extract_batch_size: PositiveInt  # images or texts that are encoded at a time
    compile: bool  # compile frozen blocks before a long extraction
    workers: Annotated[int | Literal["auto"], BeforeValidator(_check_workers)]  # decoders of images; auto: one a core
    shard_mb: PositiveInt  # size of a feature store's shards, in MiB
    cache_budget_gb: PositiveFloat  # features up to so many GiB are held in memory, more are streamed

    @property
    def num_workers(self) -> int:
        """How many processes or threads decode images."""
        if self.workers != "auto":
            return self.workers
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Params(Section):
    """All of params.yaml."""

    data: str  # a dataset: conf/data/<name>.yaml, its tables in data/raw/<name>
    encoders: str  # an encoder pair: conf/encoders/<name>.yaml
    epochs: PositiveInt  # passes over the training queries
    seed: Annotated[int, Field(ge=0)]  # of weights, the order of the queries and dropout
    router: RouterParams
    train: TrainParams
    extend: ExtendParams
    baselines: dict[str, dict[str, Any]]  # the routers that ARMS is compared with, by name, and their settings
    costs: CostsParams
    evaluate: EvaluateParams
    runtime: RuntimeParams

    @property
    def fit(self) -> FitParams:
        """The settings of training with the top-level epochs and seed."""
        return FitParams(**self.train.model_dump(), epochs=self.epochs, seed=self.seed)


def read_params(root: Path = Path()) -> Params:
    """Read params.yaml in `root`; raise ArmsError with the key, the value and what is allowed."""
    return read_section(root / "params.yaml", Params)


def read_data_params(name: str, root: Path = Path()) -> DataParams:
    """Read conf/data/<name>.yaml; raise ArmsError with the key, the value and what is allowed."""
    return read_section(root / "conf" / "data" / f"{name}.yaml", DataParams)


def read_encoders_params(name: str, root: Path = Path()) -> EncodersParams:
    """Read conf/encoders/<name>.yaml; raise ArmsError with the key, the value and what is allowed."""
    return read_section(root / "conf" / "encoders" / f"{name}.yaml", EncodersParams)


def override(params: Params, assignments: Sequence[str]) -> Params:
    """Settings with some values replaced, such as by ``router.inputs=text``; values are YAML.

    Raises
    ------
    ArmsError
        If an assignment names no setting or its value is not allowed.
    """
    content = params.model_dump()
    for assignment in assignments:
        path, equals, value = assignment.partition("=")
        *parents, key = path.split(".")
        section: Any = content
        for parent in parents:
            section = section.get(parent) if isinstance(section, dict) else None
        if not equals or not isinstance(section, dict) or key not in section:
            raise ArmsError(f"{assignment}: expected a setting of params.yaml and its value, as in router.inputs=text")
        try:
            section[key] = YAML(typ="safe", pure=True).load(value)
        except YAMLError as error:
            raise ArmsError(f"{assignment}: not valid YAML: {error}") from error
    return _validate(Path("params.yaml"), content, Params)


def read_section(path: Path, section: type[SectionT]) -> SectionT:
    """Read a settings file into its class; raise ArmsError with the key, the value and what is allowed."""
    if not path.is_file():
        known = sorted(other.stem for other in path.parent.glob("*.yaml")) if path.parent.is_dir() else []
        raise ArmsError(f"{path}: no such settings file; known here: {', '.join(known) or 'none'}")
    try:
        # YAML 1.2, as DVC reads it: 8e-5 is a number there and a string in YAML 1.1.
        content = YAML(typ="safe", pure=True).load(path)
    except YAMLError as error:
        raise ArmsError(f"{path}: not valid YAML: {error}") from error
    return _validate(path, content, section)


def _validate(path: Path, content: Any, section: type[SectionT]) -> SectionT:
    try:
        return section.model_validate(content)
    except ValidationError as error:
        raise ArmsError("\n".join(_describe(path, section, problem) for problem in error.errors())) from error


def _describe(path: Path, section: type[Section], problem: Any) -> str:
    """Put one of pydantic's findings as ``params.yaml.router.top_k: expected ..., got ...``."""
    where = ".".join([path.as_posix(), *(str(part) for part in problem["loc"])])
    if problem["type"] == "extra_forbidden":
        *parents, key = problem["loc"]
        known = ", ".join(_fields(section, parents))
        return f"{'.'.join([path.as_posix(), *map(str, parents)])}: unknown key '{key}'; known: {known}"
    if problem["type"] == "missing":
        return f"{where}: missing; every setting is written out, none has a default"
    if problem["type"] == "value_error":
        return f"{where}: {problem['ctx']['error']}"
    if problem["type"] == "too_short":
        return f"{where}: expected {problem['ctx']['min_length']} or more, got {problem['input']!r}"
    expected = problem["msg"].removeprefix("Input should be ").removeprefix("Value should be ")
    return f"{where}: expected {expected}, got {problem['input']!r}"


def _fields(section: type[Section], parents: list[Any]) -> list[str]:
    """Names of the fields of the section that the keys `parents` lead to."""
    for parent in parents:
        annotation = section.model_fields[str(parent)].annotation
        options = [annotation, *getattr(annotation, "__args__", ())]
        section = next(option for option in options if isinstance(option, type) and issubclass(option, Section))
    return list(section.model_fields)

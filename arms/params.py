"""The settings tree: params.yaml and the files under conf/ that it names, read and checked.

Those files hold every setting, and none has a default here, so ``dvc params diff`` shows every change. Each class below
is one section; a part of ``arms`` receives its own section, never the whole tree.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar, get_origin
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from arms.errors import ArmsError
from arms.names import PIPELINE_ROUTERS, name_problem

Share = Annotated[float, Field(ge=0, lt=1)]
PositiveInt = Annotated[int, Field(ge=1)]
PositiveFloat = Annotated[float, Field(gt=0)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]  # what every generator takes, scikit-learn's too


def _check_name(name: str) -> str:
    if problem := name_problem(name):
        raise ValueError(problem)
    return name


def _check_router_names(routers: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    for name in routers:
        if problem := name_problem(name, PIPELINE_ROUTERS):
            raise ValueError(problem)
    return routers


Name = Annotated[str, AfterValidator(_check_name)]  # of a file or folder
RouterSettings = Annotated[dict[str, dict[str, Any]], AfterValidator(_check_router_names)]  # by the router's name


class Section(BaseModel):
    """A section of the settings: unknown keys, values of another type, infinity and NaN are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


SectionT = TypeVar("SectionT", bound=Section)
ModelT = TypeVar("ModelT", bound=BaseModel)


# --- conf/data/<name>.yaml ---------------------------------------------------------------------------------------


class PoolParams(Section):
    """Which VLMs can be chosen: from the start, and after the extension."""

    base: list[str] = Field(min_length=1, description="VLMs that can be chosen from the start, S")
    new: list[str] = Field(description="VLMs that join later, S' without S; [] leaves the pool as it is")


class OodParams(Section):
    """What training never sees, to measure generalisation."""

    benchmarks: list[str] = Field(description="benchmarks held out, by the column `benchmark`")
    tasks: list[str] = Field(description="tasks held out, by the column `task`")


class SplitParams(Section):
    """How the queries that are not held out are divided; the rest of them is the training split."""

    by: Literal["scene", "image", "recorded"] = Field(
        description="scene: near-copies of a picture stay together; image: only the same picture does; recorded: the "
        "column `split` decides. Queries of one `group` always stay together, but where `split` decides"
    )
    similarity: float = Field(
        gt=0, le=1, description="correlation of two thumbnails from which on their pictures are near-copies"
    )
    thumbnail_side: int = Field(ge=8, le=256, description="pixels of a thumbnail's side")
    val_share: Share = Field(
        description="share of the scenes or images that settings are chosen and calibrated on; of the recorded train "
        "split, where the column `split` has no val"
    )
    id_share: Share = Field(description="share of the scenes or images that is the test in distribution")
    seed: Seed = Field(description="decides which scene or image goes to which split")


FormShare = Annotated[float, Field(ge=0, le=0.1)]


class SampleFormsParams(Section):
    """The queries of the embedded sample that are not one image with one question."""

    seed: Seed = Field(description="of which queries these are, and of what they ask")
    several_images: FormShare = Field(description="share of the queries that compare two images")
    no_image: FormShare = Field(description="share of the queries that are words only")
    no_question: FormShare = Field(description="share of the queries that are an image only")


class SampleParams(Section):
    """The generator of the embedded sample dataset."""

    seed: Seed = Field(description="of the pictures, the questions and the VLMs' answers")
    images_per_benchmark: PositiveInt = Field(description="images of each benchmark")
    questions_per_image: int = Field(ge=1, le=2, description="one or two")
    missing_share: Share = Field(description="share of the paid VLMs' outcomes that is unknown")
    forms: SampleFormsParams


class DataParams(Section):
    """One dataset of outcome tables, conf/data/<name>.yaml; its tables lie in data/raw/<name>."""

    description: str = Field(description="what it is and where it comes from, for the results page")
    pools: PoolParams
    ood: OodParams
    splits: SplitParams
    strict: bool = Field(description="refuse a dataset with unusable rows instead of setting them aside")
    sample: SampleParams | None = Field(description="null: the tables are imported, not generated")


# --- conf/encoders/<name>.yaml -----------------------------------------------------------------------------------


def _check_layers(value: Any) -> Any:
    if value == "all" or (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
        return value
    raise ValueError(f"expected an integer >= 0 or 'all', got {value!r}")


TunableLayers = Annotated[int | Literal["all"], BeforeValidator(_check_layers)]
PrecisionChoice = Literal["auto", "float32", "bfloat16"]


Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Hashes = Sha256 | dict[str, Sha256] | None
_HASHES = (
    "of the weights in model.safetensors (of open_clip in open_clip_model.safetensors), or of other files by their "
    "names; a download needs it, and what is given is checked"
)


def _by_file(sha256: str | dict[str, str] | None, library: str) -> dict[str, str] | None:
    """Hashes by file; the weights' file is the one that a library saves."""
    file = "open_clip_model.safetensors" if library == "open_clip" else "model.safetensors"
    return {file: sha256} if isinstance(sha256, str) else sha256


class ImageEncoderParams(Section):
    """The image encoder: an open_clip visual tower, or a model of timm or transformers."""

    library: Literal["open_clip", "timm", "transformers"] = Field(
        default="open_clip", description="whose model it is, which builds it and brings its preprocessing"
    )
    model: str | None = Field(
        description="bundled, natural, an open_clip architecture, a hub name as name@commit, or a folder like the "
        "hub's; of open_clip with hf-hub: or local-dir: before the last two; null: see `architecture`"
    )
    architecture: dict[str, Any] | None = Field(description="an open_clip model configuration: embed_dim, vision_cfg")
    pretrained: str | None = Field(
        description="of open_clip: bundled, a tag as tag@commit or a checkpoint's path; null: from the seed. Models of "
        "other libraries bring their weights: null"
    )
    sha256: Hashes = Field(default=None, description=_HASHES)
    pooling: Literal["own", "cls", "mean"] = Field(
        default="own", description="a picture's vector: the model's own, or of transformers a token's state or the mean"
    )
    resize: Literal["shortest", "longest", "squash", "own"] = Field(
        description="to a square: crop, pad or distort; own: as the model's preprocessing does it, of timm and "
        "transformers always"
    )
    tunable_layers: TunableLayers = Field(description="blocks above the cut, trained with the head; 0: all are frozen")
    precision: PrecisionChoice = Field(description="of the frozen blocks; auto: bfloat16 where it measures faster")
    store_tokens: bool = Field(description="keep token states where all blocks are frozen, for `fusion: tokens`")
    max_images: PositiveInt = Field(
        default=8, description="of a query with more images the first ones are read, and the others counted"
    )
    ocr: bool = Field(
        default=False, description="put numbers of the text in a picture behind its vectors; arms[ocr], all frozen"
    )

    @property
    def hashes(self) -> dict[str, str] | None:
        """`sha256` by file."""
        return _by_file(self.sha256, self.library)

    @property
    def has_source(self) -> bool:
        """Whether its weights can be loaded from elsewhere."""
        return self.pretrained is not None or self.library != "open_clip"

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.library != "open_clip":
            if self.model is None or self.pretrained is not None:
                raise ValueError(f"library {self.library} goes with a model, and with pretrained: null")
            if self.resize != "own":
                raise ValueError(f"library {self.library} goes with resize: own, got {self.resize!r}")
        if self.pooling != "own" and self.library != "transformers":
            raise ValueError(f"pooling {self.pooling!r} goes with library transformers; use own")
        return _check_source(self, self.model, self.architecture, self.pretrained)


class ProbeParams(Section):
    """A text whose vector is pinned, so that another model behind the same name is an error."""

    text: str = Field(min_length=1, description="embedded before the first text of a run, and now and then later")
    vector: str | None = Field(
        description="its vector, as base64 of float16 numbers; null: the run ends with the one to write here"
    )
    tolerance: float = Field(
        gt=0, lt=1, description="largest distance from that vector, as a share of its length; servers round differently"
    )


class TextEncoderParams(Section):
    """The text encoder: a model of transformers or sentence-transformers, or the text tower of an open_clip model."""

    library: Literal["transformers", "sentence-transformers", "open_clip", "openai"] = Field(
        default="transformers", description="whose model it is, which builds it; openai: that of a `server`"
    )
    model: str | None = Field(
        description="bundled, natural, a hub name as name@commit, or a folder like the hub's; of open_clip as in "
        "`image`; of openai as the server calls it; null: see `architecture`"
    )
    architecture: dict[str, Any] | None = Field(description="a DistilBertConfig; its weights start from the seed")
    pretrained: str | None = Field(default=None, description="of open_clip as in `image`; otherwise null")
    sha256: Hashes = Field(default=None, description=_HASHES)
    vocabulary_size: PositiveInt | None = Field(
        description="word pieces to learn from the questions, for `architecture`"
    )
    prompt: str | None = Field(
        default=None,
        description="text before each question and profile, or the name of a prompt that a model of "
        "sentence-transformers brings; null: none, or the model's default one",
    )
    pooling: Literal["cls", "mean", "last", "own"] = Field(
        description="a text's vector: the state of its first or last token, or the mean of all; own: as the model "
        "itself makes it, of other libraries than transformers always"
    )
    normalise: bool = Field(default=False, description="scale a text's vector to length 1")
    max_tokens: PositiveInt = Field(
        description="of longer texts the middle is left out, and reported; of openai, whose tokens are not known here, "
        "bytes of UTF-8, of which a token has one or more"
    )
    dimensions: PositiveInt | None = Field(
        default=None, description="of openai: numbers of a vector, where the model can shorten it; null: as it gives it"
    )
    probe: ProbeParams | None = Field(default=None, description="of openai: what its model is known by; otherwise null")
    tunable_layers: TunableLayers = Field(description="blocks above the cut, trained with the head; 0: all are frozen")
    precision: PrecisionChoice = Field(description="of the frozen blocks; auto: bfloat16 where it measures faster")

    @property
    def hashes(self) -> dict[str, str] | None:
        """`sha256` by file."""
        return _by_file(self.sha256, self.library)

    @property
    def has_source(self) -> bool:
        """Whether its weights can be loaded from elsewhere."""
        return self.model is not None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.vocabulary_size is None) != (self.architecture is None):
            raise ValueError("vocabulary_size goes with architecture: set both or neither")
        if self.library != "transformers" and (self.model is None or self.pooling != "own"):
            raise ValueError(f"library {self.library} goes with a model, and with pooling: own")
        if (self.probe is not None) != (self.library == "openai"):
            raise ValueError(f"library {self.library}: probe goes with openai, which needs it, and only with it")
        if self.library != "openai" and self.dimensions is not None:
            raise ValueError("dimensions goes with library openai; otherwise null")
        if self.library == "openai" and self.precision != "float32":
            raise ValueError(f"library openai goes with precision: float32, got {self.precision!r}")
        if (self.pretrained is not None) != (self.library == "open_clip"):
            raise ValueError(
                f"library {self.library}: pretrained goes with open_clip, which needs it, and only with it"
            )
        return _check_source(self, self.model, self.architecture, self.model)


class PairEncoderParams(Section):
    """A joint encoder: one model of transformers for a query's pictures and its question together, frozen."""

    model: str = Field(description="a hub name as name@commit, or a folder like the hub's")
    sha256: Hashes = Field(default=None, description=_HASHES)
    prompt: str | None = Field(default=None, description="text before each question; null: none")
    pooling: Literal["cls", "mean", "last"] = Field(
        description="a pair's vector: the state of its first or last token, or the mean of all"
    )
    normalise: bool = Field(default=True, description="scale a pair's vector to length 1")
    max_tokens: int = Field(ge=2, description="of a longer question, the prompt included, the middle is left out")
    max_images: PositiveInt = Field(description="of a query with more images the first ones are read")
    longest_px: PositiveInt = Field(description="larger pictures are made smaller, so that this is their longer side")
    tunable_layers: TunableLayers = Field(default=0, description="0: a joint encoder is frozen")
    precision: PrecisionChoice = Field(description="of the model; auto: bfloat16 where it measures faster")

    @property
    def hashes(self) -> dict[str, str] | None:
        """`sha256` by file."""
        return _by_file(self.sha256, "transformers")

    @model_validator(mode="after")
    def _is_frozen(self) -> Self:
        if self.tunable_layers != 0:
            raise ValueError(f"a joint encoder is frozen; set tunable_layers: 0, got {self.tunable_layers!r}")
        if self.model in ("bundled", "natural"):
            raise ValueError(f"expected a name on the hub or a folder, got {self.model!r}, which has no joint encoder")
        return self


def _check_url(url: str) -> str:
    parts = urlsplit(url)
    if "@" in parts.netloc:  # the message must not repeat it
        raise ValueError("expected an address without a name or password; server.key_env names where the key is")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or parts.port == 0:
        raise ValueError(f"expected an address such as https://api.openai.com/v1, got {url!r}")
    return url.rstrip("/")


class ServerParams(Section):
    """The server of `text.library: openai`: where it is and how it is asked. No stage lists it."""

    url: Annotated[str, AfterValidator(_check_url)] = Field(description="its address, without /embeddings at the end")
    key_env: str | None = Field(
        pattern="^[A-Za-z_][A-Za-z0-9_]*$",
        description="environment variable that holds the key, which is written nowhere; null: it asks for none",
    )
    encoding: Literal["base64", "float"] = Field(description="of the numbers in an answer; not every server has base64")
    batch_size: PositiveInt = Field(description="texts of a request, at most")
    timeout_s: PositiveFloat = Field(description="seconds to wait for the connection or for more of an answer")
    retries: int = Field(ge=0, description="times to ask again where the server is busy, broken or out of reach")


class EncodersParams(Section):
    """An encoder pair, conf/encoders/<name>.yaml."""

    image: ImageEncoderParams
    text: TextEncoderParams
    pair: PairEncoderParams | None = Field(
        default=None, description="pictures and question together, beside `image` and `text`; null: none"
    )
    server: ServerParams | None = Field(default=None, description="of `text.library: openai`; otherwise null")

    @model_validator(mode="after")
    def _server_is_named(self) -> Self:
        if (self.server is not None) != (self.text.library == "openai"):
            raise ValueError("server goes with text.library: openai, which needs it, and only with it")
        return self

    def saved(self) -> dict[str, Any]:
        """As a saved router names the pair: settings that came later only where they are set, so files stay equal."""
        later = {"library", "pretrained", "sha256", "prompt", "pooling", "normalise", "dimensions", "probe", "ocr"}
        optional = {"pair": self.pair, "server": self.server}
        return {name: section.model_dump() for name, section in optional.items() if section is not None} | {
            name: {
                key: value
                for key, value in section.model_dump().items()
                if key not in later or value != type(section).model_fields[key].default
            }
            for name, section in (("image", self.image), ("text", self.text))
        }


def _check_source(section: Any, model: str | None, architecture: dict | None, pretrained: str | None) -> Any:
    if (model is None) == (architecture is None):
        raise ValueError("set exactly one of model and architecture; the other is null")
    if architecture is not None and pretrained is not None:
        raise ValueError("pretrained weights go with a model, not with `architecture`")
    return section


# --- params.yaml -------------------------------------------------------------------------------------------------


class RouterParams(Section):
    """The net: gate, fusion experts and cosine classifier."""

    profile: Literal["full", "name"] = Field(description="what a VLM's sentence M_j says: all facts, or only its name")
    inputs: Literal["both", "text", "image"] = Field(description="what the net reads; text and image are ablations")
    fusion: Literal["outer", "pooled", "tokens", "concat"] = Field(
        description="attention to the image vector's numbers (Eq. 4 to the letter), to it as one, to tokens; none"
    )
    num_experts: PositiveInt = Field(description="fusion experts, E")
    top_k: PositiveInt = Field(description="experts kept per query; E is the published dense mixture")
    num_heads: PositiveInt = Field(description="heads of an expert's attention, of fusion pooled and tokens")
    attention_width: PositiveInt = Field(description="width of that attention, a multiple of num_heads")
    ffn_width: PositiveInt = Field(description="width of an expert's hidden layer")
    dropout: Share = Field(description="share of an expert's hidden layer that a training step leaves out")
    project_profiles: bool = Field(description="learn a map of the VLMs' profile vectors; false as published")
    logit_scale: PositiveFloat = Field(description="first factor of the logits (arctanh of a cosine); 1 as published")
    learn_logit_scale: bool = Field(description="let that factor train; false as published")
    logit_min: float = Field(lt=0, description="lower logits are raised to it (Eq. 6)")
    logit_max: PositiveFloat = Field(description="higher logits are lowered to it (Eq. 6)")

    @model_validator(mode="after")
    def _sizes_agree(self) -> Self:
        if self.top_k > self.num_experts:
            raise ValueError(f"top_k must be at most num_experts ({self.num_experts}), got {self.top_k}")
        if self.attention_width % self.num_heads:
            raise ValueError(
                f"attention_width must be a multiple of num_heads ({self.num_heads}), got {self.attention_width}"
            )
        return self


Trains = Literal["all", "head", "image", "text"]


class TrainParams(Section):
    """Optimisation by AdamW."""

    trains: Trains = Field(description="the head, and all, none or one of the encoders' tunable layers")
    data_share: float = Field(gt=0, le=1, description="share of the training scenes to train on")
    queries: Literal["all", "answerable"] = Field(
        description="answerable: train only on those that a VLM of the base pool answers, as published"
    )
    batch_size: PositiveInt = Field(description="of a step, in queries or pairs; a query has an outcome for each VLM")
    batch_unit: Literal["queries", "pairs"] = Field(
        description="what batch_size counts; pairs of a query and a VLM as published"
    )
    group_by_image: bool = Field(description="put queries that share an image into one batch, to encode it once")
    shuffle_window_mb: PositiveInt = Field(description="MiB of features among which queries are shuffled")
    learning_rate: PositiveFloat = Field(description="of the head")
    tail_learning_rate: PositiveFloat = Field(description="of the encoders' tunable layers")
    weight_decay: float = Field(ge=0, description="of AdamW")
    schedule: Literal["constant", "cosine"] = Field(description="of the rates after the warm-up; cosine ends at 0")
    warmup_share: Share = Field(description="share of the steps in which the learning rates rise")
    gpu_precision: Literal["auto", "float32", "tf32", "bfloat16"] = Field(
        description="of a step's products on a GPU; auto: bfloat16 where encoder layers train and the GPU has it"
    )
    clip_norm: PositiveFloat | None = Field(description="largest norm of the gradient; null: no limit")
    class_weights: Literal["none", "balanced"] = Field(description="balanced: right and wrong outcomes weigh alike")
    importance_weight: float = Field(ge=0, description="weight of a loss that spreads the use of the experts")
    augment: bool = Field(description="shift pictures and change their light, where their pixels train")
    keep: Literal["best", "last"] = Field(description="weights of the epoch with the best EM on val, or of the last")
    patience: PositiveInt | None = Field(description="epochs without a better EM on val to stop after; null: never")
    calibrate: bool = Field(description="fit a temperature on val")

    def queries_per_step(self, num_vlms: int) -> int:
        """How many queries a step takes; each comes with its pairs of all VLMs that train, S of them.

        With `batch_unit: pairs` it is batch_size // S, and at least 1, whether or not each outcome is known: a batch
        of 64 is 16 queries of 4 VLMs, or 9 of 7. The paper does not say whether it shuffles pairs or queries.
        """
        return self.batch_size if self.batch_unit == "queries" else max(1, self.batch_size // num_vlms)


class FitParams(TrainParams):
    """All that a fit needs: the section `train`, and `epochs` and `seed` from the top of params.yaml."""

    epochs: PositiveInt = Field(description="passes over the training queries")
    seed: Seed = Field(description="of weights, the order of the queries and dropout")


Strategy = Literal["incremental", "independent"]


class IncrementalParams(Section):
    """Incremental extension (Eq. 7): continue from Phi on the outcomes of the extended pool."""

    trains: Trains = Field(description="as train.trains")
    epochs: PositiveInt = Field(description="passes over the queries")
    min_steps: PositiveInt = Field(description="least optimizer steps: few outcomes get more epochs")
    learning_rate: PositiveFloat = Field(description="of all that trains")
    rehearsal: Literal["all", "same-queries"] = Field(
        description="old outcomes that train again: all, or those on queries with a new outcome, as published"
    )
    rehearsal_share: float = Field(ge=0, le=1, description="share of the scenes on which these train again")


class IndependentParams(Section):
    """Independent extension: Theta trains on the new VLMs only."""

    start: Literal["phi", "nothing"] = Field(description="a copy of Phi's weights, or a new router, as published")
    epochs: PositiveInt = Field(description="passes over the queries with an outcome of a new VLM")
    min_steps: PositiveInt = Field(description="least optimizer steps: few outcomes get more epochs")
    learning_rate: PositiveFloat = Field(description="of all that trains")


class ExtendParams(Section):
    """Growing the pool from S to S'."""

    strategy: Strategy = Field(description="the net on the extended pool; metrics/plain.json reports it")
    theta: float = Field(ge=0, le=1, description="ask Theta where Phi's confidence is at most this (Algorithm 1)")
    incremental: IncrementalParams
    independent: IndependentParams


class SafeParams(Section):
    """Joining the net with its neighbours and the base rates."""

    use: bool = Field(description="false: ARMS is only its net, as published")
    num_folds: int = Field(ge=0, description="nets trained without a part of the training queries; 0 or 1: none")
    most_kinds: int = Field(
        ge=0,
        description="nets trained without a task, and as many without a benchmark; more are left out several at once; "
        "below 3: none",
    )
    tolerance: Share = Field(description="EM that a left-out kind may lose to the best single VLM")
    index: Literal["flat", "ivf", "hnsw"] = Field(description="how neighbours are searched; flat is exact")


class CostsParams(Section):
    """The estimate of an answer's cost where none is recorded: see `arms.data.costs.estimate_costs`."""

    characters_per_token: PositiveFloat = Field(description="of a question, on average")
    image_tokens: int = Field(ge=0, description="tokens of an image, in the prompt")
    answer_tokens: int = Field(ge=0, description="tokens of an answer")
    own_compute_usd_per_b: float = Field(ge=0, description="of a free VLM: USD for 1e6 tokens and 1e9 parameters")


# As in params.yaml; for routers that no stage with `costs` among its settings has saved.
STANDARD_COSTS = CostsParams(characters_per_token=4.0, image_tokens=768, answer_tokens=32, own_compute_usd_per_b=0.02)


class EvaluateParams(Section):
    """How scores become metrics."""

    bootstrap_samples: int = Field(ge=100, le=100_000, description="draws behind each 95 % interval")
    seed: Seed = Field(description="of the draws")


def _check_workers(value: Any) -> Any:
    if value == "auto" or (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
        return value
    raise ValueError(f"expected an integer >= 1 or 'auto', got {value!r}")


def count_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


Workers = Annotated[int | Literal["auto"], BeforeValidator(_check_workers)]


ObjectUrl = Annotated[str, Field(pattern="^(s3|gs|file)://.")]


class RuntimeParams(Section):
    """What only changes speed; no stage lists it, so changing it re-runs nothing."""

    device: Literal["auto", "cpu", "cuda"] = Field(description="auto: a GPU if there is one")
    extract_batch_size: PositiveInt = Field(description="images or texts encoded at a time")
    compile: bool = Field(description="compile frozen blocks before a long extraction")
    workers: Workers = Field(description="processes or threads that decode images; auto: one a core")
    shard_mb: PositiveInt = Field(description="size of a feature store's shards, in MiB")
    cache_budget_gb: PositiveFloat = Field(description="GiB of features to hold in memory; larger ones are streamed")
    processes: PositiveInt = Field(description="processes that train Phi together, one for each GPU")
    features_url: ObjectUrl | None = Field(
        description="an object store, as s3://bucket/features, that features are uploaded to while they are encoded, "
        "and resumed from; null: none"
    )
    engine: Literal["local", "ray"] = Field(description="what encodes: this process, or the actors of Ray; arms[ray]")
    ray_address: str | None = Field(
        description="of Ray: a cluster's that this machine is a node of, as host:6379; auto: it is found; null: Ray is "
        "started on this machine, for as long as the stage runs"
    )
    ray_actors: PositiveInt | Literal["auto"] = Field(description="of Ray, at most; auto: as many as there is room for")

    @property
    def num_workers(self) -> int:
        """How many processes or threads decode images."""
        return count_cores() if self.workers == "auto" else self.workers

    @property
    def num_actors(self) -> int | None:
        """How many actors of Ray encode at most; None: as many as there is room for."""
        return None if self.ray_actors == "auto" else self.ray_actors


class Params(Section):
    """All of params.yaml."""

    data: Name = Field(description="a dataset: conf/data/<name>.yaml, its tables in data/raw/<name>")
    encoders: Name = Field(description="an encoder pair: conf/encoders/<name>.yaml")
    preset: Name = Field(description="values that win over those of this file: conf/presets/<name>.yaml")
    epochs: PositiveInt = Field(description="passes over the training queries")
    seed: Seed = Field(description="of weights, the order of the queries and dropout")
    router: RouterParams
    train: TrainParams
    extend: ExtendParams
    safe: SafeParams
    baselines: RouterSettings = Field(description="routers to compare ARMS with, and their settings")
    costs: CostsParams
    evaluate: EvaluateParams
    runtime: RuntimeParams

    @property
    def fit(self) -> FitParams:
        """What `train`, `epochs` and `seed` say, in one object."""
        return FitParams(**self.train.model_dump(), epochs=self.epochs, seed=self.seed)


class PresetParams(Section):
    """Settings that belong together, conf/presets/<name>.yaml: only those that they change in params.yaml."""

    epochs: PositiveInt | None = Field(description="wins over the one in params.yaml; null: leaves it")
    router: dict[str, Any] = Field(description="settings of this section that win over params.yaml")
    train: dict[str, Any] = Field(description="settings of this section that win over params.yaml")
    extend: dict[str, Any] = Field(description="settings of this section that win over params.yaml")
    safe: dict[str, Any] = Field(description="settings of this section that win over params.yaml")


def read_params(root: Path = Path(), assignments: Sequence[str] = ()) -> Params:
    """Read params.yaml in `root`, put the values of its preset in place, then those of `assignments`.

    Parameters
    ----------
    assignments : sequence of str
        As `override` takes them. One of them may name another preset.

    Raises
    ------
    ArmsError
        If a value is not allowed or a key is unknown; the message names the file and the key.
    """
    params = read_section(root / "params.yaml", Params)
    name = str(_assigned(params.model_dump(), assignments)["preset"])
    preset = read_preset_params(name, root).model_dump()
    if preset["epochs"] is None:
        del preset["epochs"]
    content = _merged(params.model_dump(), preset)
    return override(check(Params, content, _preset_file(name, root).as_posix()), assignments)


def read_preset_params(name: str, root: Path = Path()) -> PresetParams:
    """Read conf/presets/<name>.yaml; raise ArmsError with the key, the value and what is allowed."""
    return read_section(_preset_file(name, root), PresetParams)


def _preset_file(name: str, root: Path) -> Path:
    return _named_file("presets", name, root)


def _named_file(kind: str, name: str, root: Path) -> Path:
    """The file conf/<kind>/<name>.yaml."""
    if problem := name_problem(name):
        raise ArmsError(f"conf/{kind}: {problem}")
    return root / "conf" / kind / f"{name}.yaml"


def _merged(content: Any, changes: Any) -> Any:
    """Nested settings with some of them replaced; `changes` need not hold every key."""
    if not isinstance(content, dict) or not isinstance(changes, dict):
        return changes
    return content | {key: _merged(content.get(key), value) for key, value in changes.items()}


def read_data_params(name: str, root: Path = Path()) -> DataParams:
    """Read conf/data/<name>.yaml; raise ArmsError with the key, the value and what is allowed."""
    return read_section(_named_file("data", name, root), DataParams)


def read_encoders_params(name: str, root: Path = Path()) -> EncodersParams:
    """Read conf/encoders/<name>.yaml; raise ArmsError with the key, the value and what is allowed."""
    return read_section(_named_file("encoders", name, root), EncodersParams)


def override(params: Params, assignments: Sequence[str]) -> Params:
    """Settings with some values replaced, such as by ``router.inputs=text``; values are YAML.

    Raises
    ------
    ArmsError
        If an assignment names no setting or its value is not allowed.
    """
    return check(Params, _assigned(params.model_dump(), assignments), "params.yaml")


def _assigned(content: dict[str, Any], assignments: Sequence[str]) -> dict[str, Any]:
    """Replace values in `content`, which are not checked yet."""
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
    return content


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
    return check(section, content, path.as_posix())


def check(model: type[ModelT], content: Any, where: str) -> ModelT:
    """Settings as an instance of `model`; `where` they come from begins each line of the error.

    Raises
    ------
    ArmsError
        If pydantic finds anything wrong; a line per finding names the key, what was expected and what came.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise ArmsError("\n".join(_describe(problem, model, where) for problem in error.errors())) from error


def _describe(problem: Any, model: type[BaseModel], where: str) -> str:
    """Put one of pydantic's findings as ``params.yaml.router.top_k: expected ..., got ...``."""
    *parents, _ = keys = [where, *map(str, problem["loc"])]
    place, kind = ".".join(keys), problem["type"]
    if kind == "extra_forbidden":
        known = ", ".join(_fields(model, parents[1:])) or "none"
        return f"{'.'.join(parents)}: unknown key '{keys[-1]}'; known: {known}"
    if kind == "missing":
        required = all(field.is_required() for field in model.model_fields.values())
        return f"{place}: missing{'; every setting is written out, none has a default' if required else ''}"
    if kind == "value_error":
        return f"{place}: {problem['ctx']['error']}"
    if kind == "too_short":
        return f"{place}: expected {problem['ctx']['min_length']} or more, got {problem['input']!r}"
    expected = problem["msg"].removeprefix("Input should be ").removeprefix("Value should be ")
    return f"{place}: expected {expected}, got {problem['input']!r}"


def _fields(model: type[BaseModel], parents: list[str]) -> list[str]:
    """Names of the fields of the section that the keys `parents` lead to."""
    keys = iter(parents)
    for key in keys:
        annotation = model.model_fields[key].annotation
        if get_origin(annotation) is dict:
            next(keys)  # the name of one of several sections
        options = [annotation, *getattr(annotation, "__args__", ())]
        model = next(option for option in options if isinstance(option, type) and issubclass(option, BaseModel))
    return list(model.model_fields)

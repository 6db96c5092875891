"""The net, how it trains, how it is extended and what it is joined with: sections of params.yaml."""

from typing import Literal, Self

from pydantic import Field, model_validator

from arms.params.section import PositiveFloat, PositiveInt, Section, Seed, Share


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

"""The settings of pretraining: pretrain/params.yaml, read and checked."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from arms.params.section import PositiveFloat, PositiveInt, Section, Seed, Share, read_section

PARAMS = Path(__file__).parent / "params.yaml"


class VocabularyParams(Section):
    """The word pieces that the text tower knows."""

    size: PositiveInt
    num_texts: PositiveInt


class ImageParams(Section):
    """The image tower, an open_clip model configuration."""

    embed_dim: PositiveInt
    vision_cfg: dict[str, Any]


class LossWeights(Section):
    """What each loss counts."""

    masked: Annotated[float, Field(ge=0)]
    contrastive: Annotated[float, Field(ge=0)]
    grounded: Annotated[float, Field(ge=0)]
    attributes: Annotated[float, Field(ge=0)]


class TrainParams(Section):
    """Training, first on texts only, then on pictures with texts."""

    text_steps: Annotated[int, Field(ge=0)]
    text_batch_size: PositiveInt
    num_steps: PositiveInt
    batch_size: PositiveInt
    texts_beside: PositiveInt
    learning_rate: PositiveFloat
    weight_decay: Annotated[float, Field(ge=0)]
    warmup_steps: PositiveInt
    clip_norm: PositiveFloat
    same_family_share: Annotated[float, Field(ge=0, le=1)]
    question_share: Annotated[float, Field(ge=0, le=1)]
    mask_share: Share
    answer_share: Annotated[float, Field(ge=0, le=1)]
    hidden_share: Share
    loss_weights: LossWeights
    checkpoint_every: PositiveInt

    @property
    def total_steps(self) -> int:
        """Of both parts."""
        return self.text_steps + self.num_steps


class RuntimeParams(Section):
    """What changes only speed."""

    device: Literal["auto", "cpu", "cuda"]
    workers: PositiveInt


class PretrainParams(Section):
    """All of pretrain/params.yaml."""

    seed: Seed
    vocabulary: VocabularyParams
    image: ImageParams
    text: dict[str, Any]
    train: TrainParams
    runtime: RuntimeParams


def read_settings(path: Path = PARAMS) -> PretrainParams:
    """Read the settings; raise ArmsError with the key, the value and what is allowed."""
    return read_section(path, PretrainParams)

"""The settings of pretraining: pretrain/params.yaml, read and checked."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from arms.params import PositiveFloat, PositiveInt, Section, Share, read_section

PARAMS = Path(__file__).parent / "params.yaml"


class VocabularyParams(Section):
    """The word pieces that the text tower knows."""

    size: PositiveInt
    num_texts: PositiveInt


class ImageParams(Section):
    """The image tower, an open_clip model configuration."""

    embed_dim: PositiveInt
    vision_cfg: dict[str, Any]


class TrainParams(Section):
    """Contrastive and masked-language training."""

    num_steps: PositiveInt
    batch_size: PositiveInt
    learning_rate: PositiveFloat
    weight_decay: Annotated[float, Field(ge=0)]
    warmup_steps: PositiveInt
    clip_norm: PositiveFloat
    same_family_share: Annotated[float, Field(ge=0, le=1)]
    question_share: Annotated[float, Field(ge=0, le=1)]
    mask_share: Share
    mask_weight: Annotated[float, Field(ge=0)]
    checkpoint_every: PositiveInt


class RuntimeParams(Section):
    """What changes speed alone."""

    device: Literal["auto", "cpu", "cuda"]
    workers: PositiveInt


class PretrainParams(Section):
    """All of pretrain/params.yaml."""

    seed: Annotated[int, Field(ge=0)]
    vocabulary: VocabularyParams
    image: ImageParams
    text: dict[str, Any]
    train: TrainParams
    runtime: RuntimeParams


def read_settings(path: Path = PARAMS) -> PretrainParams:
    """Read the settings; raise ArmsError with the key, the value and what is allowed."""
    return read_section(path, PretrainParams)

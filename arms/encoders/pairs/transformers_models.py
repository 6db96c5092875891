"""Any vision-language model that transformers' AutoModel and AutoProcessor load, frozen whole."""

import hashlib
from typing import Any, Literal

import torch
from torch import nn
from torch.nn import functional as F

from arms.encoders.batch import Batch
from arms.encoders.images.transformers_models import settings_digest
from arms.encoders.pairs.base import JointModel
from arms.encoders.pretrained.folders import digest_of
from arms.encoders.pretrained.transformers_models import fast_tokenizer, load_joint_model
from arms.encoders.texts.base import pool
from arms.errors import ArmsError
from arms.params.encoders import PairEncoderParams

_ROOM = 4  # positions for the tokens around a question
_PLACEHOLDERS = ("image_token", "video_token", "audio_token")


def load_model(params: PairEncoderParams, *, name: str, download: bool) -> JointModel:
    """Load a model and its processor.

    Parameters
    ----------
    name : str
        For messages.
    download : bool
        False where a saved router names the model: see `arms.encoders.origins`.

    Raises
    ------
    ArmsError
        If it cannot be had, wants code of its own, lacks weights, takes no pictures, or has too few positions.
    """
    what = f"joint encoder {name}"
    loaded, processor = load_joint_model(params.model, download=download, sha256=params.hashes)
    if lacking := [missing for missing in loaded.missing if not missing.startswith("pooler.")]:
        raise ArmsError(f"{what}: its files hold no weights for {', '.join(lacking[:3])}; use another model")
    if not hasattr(processor, "image_processor") or not hasattr(processor, "tokenizer"):
        raise ArmsError(
            f"{what}: expected a model of pictures and texts, got one with a {type(processor).__name__} only; use it "
            "as `image` or as `text`"
        )
    _check_positions(loaded.model, params, what)
    tokenizer = fast_tokenizer(processor.tokenizer, params.model, "joint encoder")
    template = getattr(processor, "chat_template", None) or ""
    own = {key: value for key, value in vars(processor).items() if isinstance(value, str | int | float)}
    return JointModel(
        module=_Joint(loaded.model, params.pooling, normalise=params.normalise),
        processor=processor,
        tokenizer=tokenizer,
        special=_special_texts(processor),
        read={
            "library": "transformers",
            "processor": type(processor).__name__,
            "settings": [settings_digest(processor.image_processor), digest_of(own)],
            "template": hashlib.sha256(str(template).encode()).hexdigest(),
        },
        computed={"config": loaded.config_sha256},
    )


class _Joint(nn.Module):
    """A model with the vector of a pair: there is no padding, so all states are of its tokens."""

    def __init__(self, model: Any, pooling: Literal["cls", "mean", "last"], *, normalise: bool) -> None:
        super().__init__()
        self.model, self.pooling, self.normalise = model, pooling, normalise
        # A decoder would keep the states of its tokens for the next one.
        caches = getattr(model.config.get_text_config(), "use_cache", False)
        self.options = {"use_cache": False} if caches else {}

    def forward(self, batch: Batch) -> Batch:
        dtype = next(self.model.parameters()).dtype
        inputs = {name: value.to(dtype) if value.is_floating_point() else value for name, value in batch.items()}
        states = getattr(self.model(**inputs, **self.options), "last_hidden_state", None)
        if states is None or states.ndim != 3:
            raise ArmsError("it hands out no states of a picture and a question together")
        everywhere = torch.ones(states.shape[:2], dtype=torch.bool, device=states.device)
        pooled = pool(states, everywhere, self.pooling)
        return {"pooled": F.normalize(pooled.float(), dim=-1) if self.normalise else pooled}


def _check_positions(model: Any, params: PairEncoderParams, what: str) -> None:
    positions = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    if positions is not None and params.max_tokens > positions - _ROOM:
        raise ArmsError(
            f"{what} has positions for {positions} tokens: expected pair.max_tokens of {positions - _ROOM} at most, "
            f"got {params.max_tokens}"
        )


def _special_texts(processor: Any) -> tuple[str, ...]:
    tokens = processor.tokenizer.added_tokens_decoder.values()
    special = {token.content for token in tokens if token.special}
    special |= {name for name in (getattr(processor, place, None) for place in _PLACEHOLDERS) if isinstance(name, str)}
    return tuple(sorted(special, key=lambda text: (-len(text), text)))  # the longest first: one may be part of another

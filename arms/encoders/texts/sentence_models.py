"""Models of sentence-transformers, frozen whole, with their prompts, pooling and all further modules."""

from functools import partial
from typing import Any

from tokenizers import Tokenizer
from torch import Tensor

from arms.encoders.pretrained.sentences import load_sentence_model
from arms.encoders.pretrained.transformers_models import fast_tokenizer
from arms.encoders.texts.base import TextModel, WholeText, width_of
from arms.errors import ArmsError
from arms.params.encoders import TextEncoderParams


def load_model(
    params: TextEncoderParams,
    *,
    tokenizer: Tokenizer | None,
    name: str,
    config: dict[str, Any] | None,
    download: bool,
) -> TextModel:
    """Load a model of sentence-transformers; see `arms.encoders.texts.transformers_models.load_model`."""
    assert params.model is not None
    what = f"text encoder {name}"
    model, config_sha256 = load_sentence_model(params.model, download=download, sha256=params.hashes)
    first = model[0]
    if type(first).__name__ != "Transformer" or "message" in getattr(first, "modality_config", ()):
        raise ArmsError(
            f"{what}: expected a model that reads plain tokens, got one that begins with a {type(first).__name__} of "
            f"{', '.join(getattr(first, 'modality_config', ['other inputs']))}; use one of texts"
        )
    prompt = _prompt(model, params.prompt)
    excluded = first._get_prompt_length(prompt) if prompt else None
    whole = WholeText(
        model,
        partial(_encode, prompt_length=excluded),
        pad_id=model.tokenizer.pad_token_id or 0,
        normalise=params.normalise,
    )
    return TextModel(
        embed=whole,
        width=width_of(whole, what),
        uncut="models of sentence-transformers cannot be cut",
        tokenizer=tokenizer or fast_tokenizer(model.tokenizer, name),
        num_positions=model.max_seq_length,
        prepare=prompt.__add__,
        read={"prompt": prompt},
        computed={"config": config_sha256},
    )


def _prompt(model: Any, wanted: str | None) -> str:
    """A prompt by its name or as it is; by default the one that the model itself puts first, if any."""
    prompts = model.prompts or {}
    if wanted is None:
        return prompts.get(model.default_prompt_name, "") if model.default_prompt_name else ""
    return prompts.get(wanted, wanted)


def _encode(model: Any, ids: Tensor, mask: Tensor, *, prompt_length: int | None) -> Tensor:
    features: dict[str, Any] = {"input_ids": ids, "attention_mask": mask.long(), "modality": "text"}
    if prompt_length is not None:
        features["prompt_length"] = prompt_length
    embedding: Tensor = model(features)["sentence_embedding"]
    return embedding

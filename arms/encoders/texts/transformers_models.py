"""Any text model that transformers' AutoModel loads: cut where its family has that, else frozen whole.

What crosses the cut is ``token_ids`` of shape (N, T), ``states`` of shape (N, T, D), or ``pooled`` of shape (N, D).
Texts differ in length, so the first two come with a boolean ``mask`` of shape (N, T); a store holds them ragged.
"""

from functools import partial
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from arms.encoders.pretrained.transformers_models import Loaded, load_text_model, load_tokenizer, make_text_model
from arms.encoders.texts import bert, modernbert
from arms.encoders.texts.base import Pool, Pooling, TextModel, WholeText, pool, width_of
from arms.encoders.torchvision_guard import import_torchvision
from arms.errors import ArmsError
from arms.params.encoders import TextEncoderParams

import_torchvision()

from transformers import DistilBertConfig, DistilBertModel, PreTrainedModel  # noqa: E402

_SEE_PADDING = ("siglip", "siglip2")  # their text towers are trained on texts padded to all positions
_CUT = (*sorted(bert.BLOCKS), modernbert.FAMILY)


def load_model(
    params: TextEncoderParams,
    *,
    tokenizer: Tokenizer | None,
    name: str,
    config: dict[str, Any] | None,
    download: bool,
) -> TextModel:
    """Load or initialise a text model.

    Parameters
    ----------
    tokenizer : Tokenizer or None
        None loads the pretrained model's.
    name : str
        For messages.
    config : dict, optional
        The model's configuration instead of its weights, for a checkpoint that brings its own.
    download : bool
        False where a saved router names the model: see `arms.encoders.origins`.

    Raises
    ------
    ArmsError
        If the model cannot be had, lacks weights, or has no vector of the kind that is asked for.
    """
    what = f"text encoder {name}"
    if config is not None:
        loaded = Loaded(make_text_model(config))
    elif params.architecture is not None:
        assert tokenizer is not None, "an architecture brings no tokenizer"
        loaded = Loaded(_build_own_model(params.architecture, tokenizer))
    else:
        assert params.model is not None
        loaded, tokenizer = load_text_model(params.model, tokenizer, download=download, sha256=params.hashes)
    assert tokenizer is not None
    if lacking := [missing for missing in loaded.missing if not missing.startswith("pooler.")]:
        raise ArmsError(f"{what}: its files hold no weights for {', '.join(lacking[:3])}; use another model")
    model = loaded.model
    shared: dict[str, Any] = {
        "tokenizer": tokenizer,
        "prepare": (params.prompt or "").__add__,
        "read": {"prompt": params.prompt} if params.prompt else {},
        "num_positions": _num_positions(model),
        # Without the folder of the model, which differs from machine to machine.
        "config": {key: value for key, value in model.config.to_dict().items() if key != "_name_or_path"},
    }
    # A decoder's blocks are those of an encoder, but its tokens do not see the later ones.
    family = model.config.model_type + (" decoder" if getattr(model.config, "is_decoder", False) else "")
    if family in _CUT and params.pooling != "own":
        embed, blocks = modernbert.take_apart(model) if family == modernbert.FAMILY else bert.take_apart(model, family)
        finish = Pool(params.pooling, normalise=params.normalise)
        return TextModel(embed=embed, blocks=blocks, finish=finish, width=model.config.hidden_size, **shared)
    whole = _whole(loaded, params, what)
    uncut = f"a {family} model cannot be cut, as those of the families {', '.join(_CUT)} can"
    width, computed = width_of(whole, what), {"config": loaded.config_sha256}
    return TextModel(embed=whole, width=width, uncut=uncut, computed=computed, **shared)


def _build_own_model(architecture: dict[str, Any], tokenizer: Tokenizer) -> PreTrainedModel:
    known = DistilBertConfig().to_dict()
    if unknown := sorted(set(architecture) - set(known)):
        raise ArmsError(f"text.architecture: unknown keys {unknown}; expected those of a DistilBertConfig")
    return DistilBertModel(DistilBertConfig(**architecture, vocab_size=tokenizer.get_vocab_size(), pad_token_id=0))


def _num_positions(model: Any) -> int | None:
    """Longest text that a model has positions for; some families count them from behind their padding token."""
    positions = getattr(getattr(model, "embeddings", None), "position_embeddings", None)
    if isinstance(positions, nn.Embedding):
        return positions.num_embeddings - (0 if positions.padding_idx is None else positions.padding_idx + 1)
    return getattr(_text_config(model), "max_position_embeddings", None)


def _text_config(model: Any) -> Any:
    return getattr(model.config, "text_config", None) or model.config


def _whole(loaded: Loaded, params: TextEncoderParams, what: str) -> WholeText:
    """A model that is frozen whole, without what texts do not need of it."""
    model: Any = loaded.model
    config = _text_config(model)
    pad_id, length = getattr(config, "pad_token_id", None) or 0, None
    paired = hasattr(model, "get_text_features")
    if paired and model.config.model_type in _SEE_PADDING:
        pad_id = load_tokenizer(loaded.folder, "text encoder", what).pad_token_id
        length = config.max_position_embeddings
    if paired:
        model.vision_model = None
        if params.pooling != "own":
            model = model.text_model
    elif params.pooling == "own":
        raise ArmsError(f"{what} has no vector of its own for a text; set text.pooling: cls, mean or last")
    elif model.config.is_encoder_decoder:
        model = model.get_encoder()
    if getattr(model, "pooler", None) is not None:
        model.pooler = None  # of a pretraining task; not on the way to the states
    return WholeText(
        model,
        _own_vector if params.pooling == "own" else partial(_encode, pooling=params.pooling),
        pad_id=pad_id,
        length=length,
        normalise=params.normalise,
    )


def _encode(model: Any, ids: Tensor, mask: Tensor, *, pooling: Pooling) -> Tensor:
    # A decoder would keep the states of its tokens for the next one.
    caching = {"use_cache": False} if getattr(model.config, "use_cache", False) else {}
    return pool(model(input_ids=ids, attention_mask=mask.long(), **caching).last_hidden_state, mask, pooling)


def _own_vector(model: Any, ids: Tensor, mask: Tensor) -> Tensor:
    """The vector that a model of pictures and texts has for a text."""
    seen = {} if model.config.model_type in _SEE_PADDING else {"attention_mask": mask.long()}
    vector = model.get_text_features(input_ids=ids, **seen)
    return vector if isinstance(vector, torch.Tensor) else vector.pooler_output

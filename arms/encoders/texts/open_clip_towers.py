"""The text towers of open_clip's models, frozen whole, with their tokenizers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, models, pre_tokenizers, processors
from torch import Tensor

from arms.encoders.origins import LOCAL_DIR
from arms.encoders.pretrained.clips import load_open_clip, open_clip_config
from arms.encoders.pretrained.folders import digest_of
from arms.encoders.pretrained.transformers_models import fast_tokenizer, load_tokenizer
from arms.encoders.texts.base import TextModel, WholeText, width_of
from arms.encoders.torchvision_guard import import_torchvision
from arms.encoders.without import without
from arms.errors import ArmsError
from arms.params.encoders import TextEncoderParams

import_torchvision()

from open_clip.tokenizer import SimpleTokenizer, get_clean_fn  # noqa: E402

_WHAT = "text encoder"
_CLEANING = "whitespace"  # of open_clip's tokenizers of other libraries, where a configuration says nothing
_WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"  # as CLIP divides a text


def load_model(
    params: TextEncoderParams,
    *,
    tokenizer: Tokenizer | None,
    name: str,
    config: dict[str, Any] | None,
    download: bool,
) -> TextModel:
    """Load the text tower of an open_clip model; see `arms.encoders.texts.transformers_models.load_model`."""
    assert params.model is not None
    source: dict[str, Any] = {"sha256": params.hashes, "what": _WHAT, "download": download}
    clip = load_open_clip(params.model, params.pretrained, load_weights=True, **source)
    found = open_clip_config(params.model, **source)
    text = found["text_cfg"]
    own, clean, pad_id, dropped = _reading(found, name)
    tower = without(clip, "visual", "text_decoder", "logit_scale", "logit_bias")
    length, prompt = text.get("context_length", 77), params.prompt or ""
    whole = WholeText(tower, _Encode(dropped), pad_id=pad_id, length=length, normalise=params.normalise)
    return TextModel(
        embed=whole,
        width=width_of(whole, f"{_WHAT} {name}"),
        uncut="the text tower of an open_clip model cannot be cut",
        tokenizer=tokenizer or own,
        num_positions=length,
        prepare=lambda question: clean(prompt + question),
        read={"prompt": prompt, "cleaning": str(text.get("tokenizer_kwargs", {}).get("clean", ""))},
        computed={"config": digest_of(text)},
    )


class _Encode:
    """open_clip's own call; some towers read one token as padding."""

    def __init__(self, dropped: int | None) -> None:
        self.dropped = dropped

    def __call__(self, tower: Any, ids: Tensor, mask: Tensor) -> Tensor:
        if self.dropped is not None:
            ids = ids.masked_fill(ids == self.dropped, 0)
        vector: Tensor = tower.encode_text(ids)
        return vector


def _reading(found: dict[str, Any], name: str) -> tuple[Tokenizer, Callable[[str], str], int, int | None]:
    """The tokenizer of a model, how it cleans a text, its token of padding, and one that it reads as padding."""
    text, place = found["text_cfg"], found["place"]
    settings = text.get("tokenizer_kwargs", {})
    if not text.get("hf_tokenizer_name") and (place.startswith(LOCAL_DIR) or "siglip" not in place.lower()):
        simple = SimpleTokenizer(clean=settings.get("clean", "lower"))
        return clip_tokenizer(simple), simple.clean_fn, 0, None
    if not place.startswith(LOCAL_DIR):
        raise ArmsError(
            f"{_WHAT} {name}: its tokenizer {text.get('hf_tokenizer_name') or ''} would be loaded from elsewhere; name "
            "the model with its tokenizer, as hf-hub:NAME@COMMIT or local-dir:FOLDER"
        )
    if text.get("tokenizer_mode"):
        raise ArmsError(f"{_WHAT} {name}: tokenizer_mode {text['tokenizer_mode']!r} is not known; use another model")
    loaded = load_tokenizer(Path(place.removeprefix(LOCAL_DIR)), _WHAT, name)
    dropped = loaded.sep_token_id if settings.get("strip_sep_token") else None
    clean = get_clean_fn(settings.get("clean", _CLEANING))
    return fast_tokenizer(loaded, name), clean, loaded.pad_token_id or 0, dropped


def clip_tokenizer(simple: SimpleTokenizer) -> Tokenizer:
    """CLIP's tokenizer of Python, for texts that are clean already, as a fast one that can be saved."""
    tokenizer = Tokenizer(
        models.BPE(vocab=simple.encoder, merges=list(simple.bpe_ranks), end_of_word_suffix="</w>", fuse_unk=False)
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    start, end = (simple.decoder[token] for token in (simple.sot_token_id, simple.eot_token_id))
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in (start, end)])
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}", special_tokens=[(start, simple.sot_token_id), (end, simple.eot_token_id)]
    )
    return tokenizer

"""The text encoder: a text model of any library, cut into trunk and tail or frozen whole, with its tokenizer."""

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from arms.encoders.base import Encoder, cut_layers, describe_cut, hash_weights
from arms.encoders.batch import Batch
from arms.encoders.long_texts import Shortening, describe_shortening, shorten_ids, shorten_text
from arms.encoders.texts.registry import model_loader
from arms.params.encoders import ServerParams, TextEncoderParams

logger = logging.getLogger(__name__)

_MUCH = 60  # characters of a text that name it
_MOST_REPORTED = 10_000
_reported: set[int] = set()  # hashes of texts that were cut: each is reported once in a process, as long as it is small
_SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


@dataclass(frozen=True, kw_only=True)
class TextEncoder(Encoder):
    """A text encoder with its tokenizer and the configuration of its model."""

    tokenizer: Tokenizer
    max_tokens: int
    shortening: Shortening
    prepare: Callable[[str], str]  # what is done to a text before it is tokenised, such as putting a prompt before it
    config: dict[str, Any]

    def tokenize(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Word pieces of each text, special tokens included; a text over the limit is shortened and reported.

        What is no character, such as half of a surrogate pair, is read as U+FFFD, the replacement character.

        Returns
        -------
        list of ndarray of shape (T,), int32
        """
        shortened = [shorten_text(text, self.max_tokens) for text in texts]
        encodings = self.tokenizer.encode_batch([self.prepare(readable(text)) for text in shortened])
        long = [
            text
            for text, one in zip(texts, encodings, strict=True)
            if one.overflowing or len(one.ids) > self.max_tokens
        ]
        unreported = [text for text in long if hash(text) not in _reported]
        if unreported and len(_reported) < _MOST_REPORTED:
            logger.warning(
                "%d of %d texts are longer than max_tokens (%d): their %s is left out, such as that of %r",
                len(long), len(texts), self.max_tokens, self.shortening, _name(unreported[0]),
            )  # fmt: skip
            _reported.update(map(hash, unreported))
        return [shorten_ids(encoding.ids, self.max_tokens) for encoding in encodings]

    def example(self, num: int) -> Batch:
        """A batch of texts as long as a question; one is shorter, since attention skips work if nothing is padded."""
        length = min(32, self.max_tokens)
        mask = torch.ones(num, length, dtype=torch.bool)
        mask[-1, (length + 1) // 2 :] = False
        return {"token_ids": torch.zeros(num, length, dtype=torch.int32), "mask": mask}


def readable(text: str) -> str:
    """The text with surrogate pairs joined and their halves replaced; no tokenizer takes these."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def _name(text: str) -> str:
    """The beginning of a text, to name it by."""
    return text if len(text) <= _MUCH else f"{text[:_MUCH]}..."


def build_text_encoder(
    params: TextEncoderParams,
    *,
    tokenizer: Tokenizer | None,
    seed: int,
    config: dict[str, Any] | None = None,
    shortening: Shortening = "middle",
    download: bool = True,
    server: ServerParams | None = None,
) -> TextEncoder:
    """Load or initialise the transformer and cut it.

    Parameters
    ----------
    tokenizer : Tokenizer or None
        Needed with `architecture` (see `train_tokenizer`); None loads the pretrained model's.
    seed : int
        Initialises what is not pretrained.
    config : dict, optional
        The model's configuration instead of its weights, for a checkpoint that brings its own.
    shortening : 'middle' or 'end'
        What texts over the limit lose, see `long_texts`.
    download : bool
        False where a saved router names the model: see `arms.encoders.origins`.
    server : ServerParams, optional
        Of library openai.

    Raises
    ------
    ArmsError
        If the weights cannot be had, or the model cannot be cut and layers of it are to train.
    """
    name = params.model or f"own architecture, seed {seed}"
    if params.library != "transformers":
        name = f"{params.library}/{name}" + (f"/{params.pretrained}" if params.pretrained else "")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        load = model_loader(params.library) if server is None else partial(model_loader(params.library), server=server)
        model = load(params, tokenizer=tokenizer, name=name, config=config, download=download)
    tokenizer = model.tokenizer
    tokenizer.no_padding()
    max_tokens = min(params.max_tokens, model.num_positions or params.max_tokens)
    if shortening == "middle":
        tokenizer.no_truncation()
    else:
        tokenizer.enable_truncation(max_tokens)
    trunk, tail = cut_layers(
        model.embed, model.blocks, model.finish, params.tunable_layers, f"text encoder {name}", uncut=model.uncut
    )
    cut = describe_cut(trunk, tail)
    crossing = {"inputs": ("token_ids",), "states": ("states",), "pooled": ("pooled",)}[cut]
    fingerprint: dict[str, Any] = {
        "modality": "text",
        "arrays": list(crossing),
        "max_tokens": max_tokens,
        "tokenizer": hashlib.sha256(tokenizer.to_str().encode()).hexdigest(),
        **describe_shortening(shortening),
        **model.read,
    }
    if cut != "inputs":
        fingerprint |= {
            "encoder": name,
            "architecture": params.architecture,  # the weights do not show the number of heads, for one
            "blocks_frozen": len(model.blocks) if cut == "pooled" else len(trunk) - 1,
            **model.computed,
            "weights": hash_weights(trunk),
            "precision": "float32",
        }
    if cut == "pooled":
        fingerprint |= {"pooling": params.pooling} | ({"normalised": True} if params.normalise else {})
    return TextEncoder(
        name=name,
        trunk=trunk,
        tail=tail,
        width=model.width,
        token_width=model.width,
        crossing=crossing,
        fingerprint=fingerprint,
        tokenizer=tokenizer,
        max_tokens=max_tokens,
        shortening=shortening,
        prepare=model.prepare,
        config=model.config,
    )


def train_tokenizer(texts: Sequence[str], *, vocabulary_size: int, keep_accents: bool = False) -> Tokenizer:
    """Learn a WordPiece vocabulary, lower-casing as BERT does; an unknown word falls back to its pieces.

    Parameters
    ----------
    texts : sequence of str
        The training questions and profile sentences; never those of val or test.
    vocabulary_size : int
        Largest number of pieces, special tokens included.
    keep_accents : bool
        BERT reads é as e, which also takes the vowels off the letters of Devanagari; true leaves both as they are.
    """
    texts = sorted(set(texts))
    draft = _wordpiece_tokenizer(models.WordPiece(unk_token="[UNK]"), keep_accents)
    # The trainer numbers "##x" pieces in the order of a hash map, and breaks ties by number: two runs would learn
    # different vocabularies. Listed as special tokens they are numbered first, in this order.
    letters = sorted(
        {letter for text in texts for letter in draft.normalizer.normalize_str(text) if not letter.isspace()}
    )
    inner = [f"##{letter}" for letter in letters]
    draft.train_from_iterator(
        texts,
        trainers.WordPieceTrainer(vocab_size=vocabulary_size, special_tokens=_SPECIAL + inner, show_progress=False),
    )
    tokenizer = _wordpiece_tokenizer(models.WordPiece(vocab=draft.get_vocab(), unk_token="[UNK]"), keep_accents)
    tokenizer.add_special_tokens(_SPECIAL)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    )
    return tokenizer


def _wordpiece_tokenizer(model: models.WordPiece, keep_accents: bool) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True, strip_accents=False if keep_accents else None)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer

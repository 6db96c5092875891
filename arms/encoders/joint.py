"""The joint encoder: a vision-language model of transformers that reads a query's pictures and its question together.

It is frozen whole, and reads one pair at a time: so nothing is padded, and a pair's vector is that of the library's own
call. What it takes is what the model's processor makes of the pair: a batch of tensors whose names are the family's.
"""

import hashlib
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from PIL import Image
from tokenizers import Tokenizer
from torch import Tensor, nn

from arms.data.appearance import APPEARANCE
from arms.encoders.base import Encoder, hash_weights
from arms.encoders.batch import Batch
from arms.encoders.long_texts import shorten_text
from arms.encoders.text import readable
from arms.errors import ArmsError
from arms.params.encoders import EncodersParams

logger = logging.getLogger(__name__)

_EXAMPLE = Image.new("RGB", (64, 48), "white"), "How many?"
_THINNEST = 16  # times as long as wide; the processors of some families end with an error on thinner pictures
_SAME = 1e-3  # a pair's vector may differ by this share of its length from one run to the next


@dataclass(frozen=True, kw_only=True)
class JointEncoder(Encoder):
    """An encoder of pairs: a query's pictures, and its question.

    Attributes
    ----------
    takes_no_picture : bool
        Whether it can take a question by itself; if not, such a query has no vector of it.
    """

    processor: Any  # None in another process, see `__getstate__`
    tokenizer: Tokenizer
    prompt: str
    special: tuple[str, ...]  # texts that would be tokens of the model's own in a question
    max_tokens: int
    max_images: int
    longest_px: int
    takes_no_picture: bool

    def __deepcopy__(self, _: Any) -> Self:
        return self  # nothing of it ever changes, and it may be large

    def __getstate__(self) -> dict[str, Any]:
        # Processes are handed encoders to train nets in, on stored features: the model itself stays here.
        return self.__dict__ | {"trunk": nn.Sequential(), "processor": None}

    def key(self, pictures: Sequence[str], question: str) -> str | None:
        """The key of a pair from those of its pictures, in their order, and of its question; None if it has no vector.

        Pictures beyond `max_images` do not count.
        """
        if not pictures and not self.takes_no_picture:
            return None
        parts = "\n".join([*pictures[: self.max_images], question])
        return hashlib.sha256(parts.encode("utf-8", "surrogatepass")).hexdigest()

    def fitted(self, picture: Image.Image) -> Image.Image:
        """The picture, its longer side `longest_px` at most; a very thin one in the middle of white."""
        scale = min(1.0, self.longest_px / max(picture.size))
        width, height = (max(1, round(side * scale)) for side in picture.size)
        if (width, height) != picture.size:
            picture = picture.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=3.0)
        least = math.ceil(max(width, height) / _THINNEST)
        if min(width, height) >= least:
            return picture
        canvas = Image.new("RGB", (max(width, least), max(height, least)), "white")
        canvas.paste(picture, ((canvas.width - width) // 2, (canvas.height - height) // 2))
        return canvas

    def read(self, pictures: Sequence[Image.Image], question: str) -> Batch:
        """What the model takes of a pair.

        Parameters
        ----------
        pictures : sequence of Image
            As `fitted` gives them; those beyond `max_images` are not read.

        Raises
        ------
        ArmsError
            If the model's processor cannot take them.
        """
        assert self.processor is not None, "the model was left in the process that loaded it"
        pictures = list(pictures[: self.max_images])
        asked = {"text": [self._prompted(len(pictures), question)]} | ({"images": [pictures]} if pictures else {})
        try:
            taken = self.processor(**asked, return_tensors="pt")
        except Exception as error:  # processors raise errors of many types
            sizes = ", ".join(f"{picture.width} x {picture.height}" for picture in pictures) or "no picture"
            raise ArmsError(
                f"joint encoder {self.name} cannot take this query ({sizes}): {type(error).__name__}: {error}"
            ) from error
        return {name: value for name, value in taken.items() if isinstance(value, Tensor)}

    def example(self, num: int) -> Batch:
        """A made-up pair; there is no batch of several."""
        picture, question = _EXAMPLE
        return self.read([picture], question)

    def _prompted(self, num_pictures: int, question: str) -> str:
        """The text that the model reads, with a place for each picture: the family's chat, where it has one."""
        text = self._shortened(self.prompt + self._plain(readable(question)))
        if getattr(self.processor, "chat_template", None):
            content = [*[{"type": "image"}] * num_pictures, {"type": "text", "text": text}]
            chat = [{"role": "user", "content": content}]
            prompted: str = self.processor.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
            return prompted
        return (getattr(self.processor, "image_token", None) or "") * num_pictures + text

    def _plain(self, question: str) -> str:
        """The question without what would stand for a picture, or end a turn."""
        for token in self.special:
            question = question.replace(token, " ")
        return question

    def _shortened(self, text: str) -> str:
        text = shorten_text(text, self.max_tokens)
        spans = self.tokenizer.encode(text, add_special_tokens=False).offsets
        if len(spans) <= self.max_tokens:
            return text
        back = self.max_tokens // 2
        return f"{text[: spans[self.max_tokens - back - 1][1]]} {text[spans[-back][0] :]}"


def build_joint_encoder(encoders: EncodersParams, *, download: bool = True) -> JointEncoder:
    """Load the model of `encoders.pair` and see what it takes.

    Parameters
    ----------
    download : bool
        False where a saved router names the model: see `arms.encoders.origins`.

    Raises
    ------
    ArmsError
        If it cannot be had, wants code of its own, is no model of pictures and texts together, or cannot take as many
        pictures or tokens as the settings say.
    """
    params = encoders.pair
    assert params is not None
    from arms.encoders.pairs.transformers_models import load_model  # the library is imported when it is used

    name = f"transformers/{params.model}"
    model = load_model(params, name=name, download=download)
    trunk = nn.Sequential(model.module).eval().requires_grad_(False)
    fingerprint: dict[str, Any] = {
        "modality": "pair",
        "arrays": ["pooled"],
        "pictures": APPEARANCE,
        "longest_px": params.longest_px,
        "thinnest": _THINNEST,
        "prompt": params.prompt,
        "max_tokens": params.max_tokens,
        "tokenizer": hashlib.sha256(model.tokenizer.to_str().encode()).hexdigest(),
        **model.read,
        "encoder": name,
        **model.computed,
        "weights": hash_weights(trunk),
        "precision": "float32",
        "pooling": params.pooling,
        "normalised": params.normalise,
    }
    encoder = JointEncoder(
        name=name,
        trunk=trunk,
        tail=nn.Sequential(),
        width=0,
        token_width=0,
        crossing=("pooled",),
        fingerprint=fingerprint,
        processor=model.processor,
        tokenizer=model.tokenizer,
        prompt=params.prompt or "",
        special=model.special,
        max_tokens=params.max_tokens,
        max_images=min(params.max_images, encoders.image.max_images),
        longest_px=params.longest_px,
        takes_no_picture=True,
    )
    width, takes_no_picture = _try_out(encoder, f"joint encoder {name}")
    return replace(encoder, width=width, takes_no_picture=takes_no_picture)


@torch.inference_mode()
def _try_out(encoder: JointEncoder, what: str) -> tuple[int, bool]:
    """The width of a pair's vector, and whether a question by itself has one."""
    picture, question = _EXAMPLE
    try:
        first, again = (encoder.trunk(encoder.example(1))["pooled"] for _ in range(2))
    except Exception as error:  # whatever a model needs beside a picture and a text
        raise ArmsError(
            f"{what} cannot be run on a picture and a question: {type(error).__name__}: {error}; use a vision-language "
            "model, or `image` and `text` for one that embeds each by itself"
        ) from error
    if (first - again).norm() > _SAME * first.norm():
        raise ArmsError(f"{what} gives another vector for the same pair each time; set pair.pooling: cls or mean")
    if encoder.max_images > 1:
        try:
            encoder.trunk(encoder.read([picture, picture], question))
        except Exception as error:
            raise ArmsError(
                f"{what} takes one picture, not several ({type(error).__name__}: {error}); set pair.max_images: 1"
            ) from error
    try:
        encoder.trunk(encoder.read([], question))
    except Exception as error:
        logger.info("%s cannot take a question without a picture (%s): zeros stand for it", what, type(error).__name__)
        return first.shape[1], False
    return first.shape[1], True

"""An image encoder and a text encoder that belong together."""

from dataclasses import dataclass
from typing import Any

from tokenizers import Tokenizer

from arms.encoders.image import ImageEncoder, build_image_encoder
from arms.encoders.long_texts import Shortening
from arms.encoders.text import TextEncoder, build_text_encoder
from arms.params import EncodersParams


@dataclass(frozen=True)
class EncoderPair:
    """Both encoders of a router, with all it takes to build them again.

    Attributes
    ----------
    params : EncodersParams
    seed : int
        Initialises what is not pretrained.
    """

    image: ImageEncoder
    text: TextEncoder
    params: EncodersParams
    seed: int

    @property
    def fingerprints(self) -> dict[str, dict[str, Any]]:
        """Those of both encoders, by modality."""
        return {"image": self.image.fingerprint, "text": self.text.fingerprint}


def build_encoders(
    params: EncodersParams,
    *,
    seed: int,
    tokenizer: Tokenizer | None = None,
    text_config: dict[str, Any] | None = None,
    load_weights: bool = True,
    shortening: Shortening = "middle",
    download: bool = True,
) -> EncoderPair:
    """Build both encoders.

    Parameters
    ----------
    tokenizer : Tokenizer, optional
        Needed if the text encoder has its own architecture; by default the pretrained model's.
    text_config : dict, optional
        The text model's configuration instead of its weights, for a checkpoint that brings its own.
    load_weights : bool
        False leaves the image encoder's pretrained weights out, for the same reason.
    shortening : 'middle' or 'end'
        What long texts lose.
    download : bool
        False where a saved router names the encoders: see `arms.encoders.origins`.
    """
    text = build_text_encoder(
        params.text,
        seed=seed,
        tokenizer=tokenizer,
        config=text_config,
        shortening=shortening,
        download=download,
        server=params.server,
    )
    return EncoderPair(
        build_image_encoder(params.image, seed=seed, load_weights=load_weights, download=download),
        text,
        params,
        seed,
    )

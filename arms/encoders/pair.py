"""An image encoder and a text encoder that belong together, and a joint encoder beside them where there is one."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image
from tokenizers import Tokenizer

from arms.data.pictures import PictureSource, open_picture
from arms.encoders.image import ImageEncoder, build_image_encoder
from arms.encoders.joint import JointEncoder, build_joint_encoder
from arms.encoders.long_texts import Shortening
from arms.encoders.text import TextEncoder, build_text_encoder
from arms.params.encoders import EncodersParams


@dataclass(frozen=True)
class EncoderPair:
    """The encoders of a router, with all it takes to build them again.

    Attributes
    ----------
    params : EncodersParams
    seed : int
        Initialises what is not pretrained.
    joint : JointEncoder or None
        Of pictures and question together.
    """

    image: ImageEncoder
    text: TextEncoder
    params: EncodersParams
    seed: int
    joint: JointEncoder | None = None

    @property
    def fingerprints(self) -> dict[str, dict[str, Any]]:
        """Those of the encoders, by modality."""
        both = {"image": self.image.fingerprint, "text": self.text.fingerprint}
        return both if self.joint is None else both | {"pair": self.joint.fingerprint}

    def read(self, source: PictureSource) -> tuple[np.ndarray, Image.Image | None]:
        """A picture as the image encoder takes it, and as the joint encoder does; see `ImageEncoder.read`."""
        picture = open_picture(source)
        return self.image.prepare(picture), None if self.joint is None else self.joint.fitted(picture)


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
    """Build the encoders.

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
        None if params.pair is None else build_joint_encoder(params, download=download),
    )

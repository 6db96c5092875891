"""A model behind an OpenAI-compatible server, of the extra `arms[remote]`: frozen whole, and known by its probe.

Its tokens are the bytes of a text, from which the text is put together again to be sent. Nobody here sees its weights:
the pinned vector of the probe stands for them.
"""

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from torch import nn
from torch.nn import functional as F

from arms.encoders.batch import Batch
from arms.encoders.origins import trusted_server
from arms.encoders.texts.base import TextModel
from arms.errors import ArmsError
from arms.params.encoders import ServerParams, TextEncoderParams

if TYPE_CHECKING:
    from arms.encoders.remote.pinned import PinnedServer

_LIBRARIES = ("httpx2", "tenacity")


def load_model(
    params: TextEncoderParams,
    *,
    tokenizer: Tokenizer | None,
    name: str,
    config: dict[str, Any] | None,
    download: bool,
    server: ServerParams,
) -> TextModel:
    """Take a server's model as a text model; see `arms.encoders.texts.transformers_models.load_model`.

    The server is asked only once there are texts to encode.

    Raises
    ------
    ArmsError
        If the libraries are not installed, nothing is pinned yet, or a saved router names a server that the settings
        do not.
    """
    if missing := [library for library in _LIBRARIES if find_spec(library) is None]:
        raise ArmsError(f"text encoder {name}: {', '.join(missing)} not installed; run: pip install 'arms[remote]'")
    from arms.encoders.remote.pinned import pinned_server

    assert params.model is not None
    assert params.probe is not None
    asked = trusted_server(params, server, download=download)
    pinned = pinned_server(asked, params.model, params.dimensions, params.probe)
    return TextModel(
        embed=ServerLayer(pinned, normalise=params.normalise),
        width=pinned.width,
        uncut="the model of a server cannot be cut",
        tokenizer=tokenizer or bytes_tokenizer(),
        num_positions=None,
        prepare=(params.prompt or "").__add__,
        read={"prompt": params.prompt} if params.prompt else {},
        computed={"dimensions": params.dimensions, "probe": params.probe.text},
    )


class ServerLayer(nn.Module):
    """From the bytes of texts, as token ids, to the server's vectors of them.

    Parameters
    ----------
    server : PinnedServer
    normalise : bool
        Scale vectors to length 1.
    """

    def __init__(self, server: "PinnedServer", *, normalise: bool) -> None:
        super().__init__()
        self.server, self.normalise = server, normalise
        self.pinned_D = nn.Parameter(torch.from_numpy(server.pinned_D), requires_grad=False)

    @torch.compiler.disable
    def forward(self, batch: Batch) -> Batch:
        masks, rows = batch["mask"].cpu().numpy(), batch["token_ids"].cpu().numpy()
        texts = [text_of(ids[mask]) for ids, mask in zip(rows, masks, strict=True)]
        pooled = torch.from_numpy(self.server.embed(texts)).to(self.pinned_D.device)
        return {"pooled": F.normalize(pooled, dim=-1) if self.normalise else pooled}


def bytes_tokenizer() -> Tokenizer:
    """A tokenizer whose token ids are the bytes of a text."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in plain]
    letters = {chr(byte): byte for byte in plain} | {chr(256 + place): byte for place, byte in enumerate(others)}
    tokenizer = Tokenizer(models.BPE(vocab=letters, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def text_of(ids: np.ndarray) -> str:
    """The text of these bytes; a character that was cut in two is left out."""
    return ids.astype(np.uint8).tobytes().decode(errors="ignore")

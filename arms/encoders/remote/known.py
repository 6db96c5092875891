"""Texts whose vectors are known already, so that no server is asked for them again."""

from collections.abc import Sequence

import numpy as np

from arms.encoders.text import TextEncoder
from arms.encoders.texts.openai_server import ServerLayer, text_of


def asks_server(encoder: TextEncoder) -> bool:
    """Whether an encoder's vectors come from a server, where each text costs."""
    return any(isinstance(layer, ServerLayer) for layer in encoder.trunk)


def know_texts(encoder: TextEncoder, texts: Sequence[str], vectors_ND: np.ndarray) -> None:
    """Let an encoder take these vectors, from a store or a saved router; one on this machine is left as it is."""
    for layer in encoder.trunk:
        if isinstance(layer, ServerLayer):
            layer.server.know([text_of(ids) for ids in encoder.tokenize(texts)], vectors_ND)

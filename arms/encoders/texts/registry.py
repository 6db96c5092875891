"""The libraries of text models, by the name that settings give them."""

from collections.abc import Callable
from importlib import import_module

from arms.encoders.texts.base import TextModel

# Each is imported when it is used.
_LIBRARIES = {
    "transformers": "arms.encoders.texts.transformers_models:load_model",
    "sentence-transformers": "arms.encoders.texts.sentence_models:load_model",
    "openai": "arms.encoders.texts.openai_server:load_model",
    "open_clip": "arms.encoders.texts.open_clip_towers:load_model",
}


def model_loader(library: str) -> Callable[..., TextModel]:
    """The function that loads a model of a library: see `arms.encoders.texts.transformers_models.load_model`."""
    module, _, name = _LIBRARIES[library].partition(":")
    loader: Callable[..., TextModel] = getattr(import_module(module), name)
    return loader

"""The libraries of image models, by the name that settings give them."""

from collections.abc import Callable
from importlib import import_module

from arms.encoders.images.base import Tower

# Each is imported when it is used.
_LIBRARIES = {
    "open_clip": "arms.encoders.images.open_clip_towers:load_tower",
    "timm": "arms.encoders.images.timm_models:load_tower",
    "transformers": "arms.encoders.images.transformers_models:load_tower",
}


def tower_loader(library: str) -> Callable[..., Tower]:
    """The function that loads a model of a library: see `arms.encoders.images.open_clip_towers.load_tower`."""
    module, _, name = _LIBRARIES[library].partition(":")
    loader: Callable[..., Tower] = getattr(import_module(module), name)
    return loader

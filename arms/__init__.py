"""ARMS routes a query (one image, one question) to the vision-language model most likely to answer it.

Method: Wang et al., "An Effective Router for Vision-Language Model Selection", arXiv:2606.08970.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from arms.routers.base import BaseRouter
    from arms.routers.router import Router

__all__ = ["BaseRouter", "Router", "__version__"]
__version__ = "0.1.0"

# Imported on first use, so that ``import arms`` and ``arms --help`` do not load torch.
_LAZY = {"BaseRouter": "arms.routers.base", "Router": "arms.routers.router"}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'arms' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY])

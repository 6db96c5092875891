"""ARMS routes a query (one image, one question) to the vision-language model most likely to answer it.

Method: Wang et al., "An Effective Router for Vision-Language Model Selection", arXiv:2606.08970.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from arms.routers.base import Router

__all__ = ["Router", "__version__"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import ``Router`` on first use, so that ``import arms`` and ``arms --help`` do not load torch."""
    if name == "Router":
        from arms.routers.base import Router

        return Router
    raise AttributeError(f"module 'arms' has no attribute {name!r}")

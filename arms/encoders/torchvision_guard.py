"""Import ``torchvision`` beside a torch build that its compiled library was not made for.

open_clip and transformers only need torchvision's image transforms, which are plain Python. If torchvision's compiled
library cannot load (often a CPU build of torch beside a CUDA build of torchvision), the import stops with "operator
torchvision::nms does not exist", because it registers a fake kernel for an operator that only the library defines. To
declare the two schemas is enough for the transforms. If the library does load, declaring them again would abort the
process, so the plain import comes first.
"""

import importlib
import logging
import sys

import torch

logger = logging.getLogger(__name__)

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
# A torch.library.Library drops its definitions when it is collected, so it lives as long as the process.
_declared: list[torch.library.Library] = []


def import_torchvision() -> None:
    """Import torchvision, declaring the operators its library would have defined if that cannot load.

    Raises
    ------
    RuntimeError
        If torchvision fails to import for any other reason.
    """
    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "FRAGMENT")
        for schema in _SCHEMAS:
            library.define(schema)
        _declared.append(library)
        importlib.import_module("torchvision")
        logger.debug(
            "torchvision's compiled library does not match torch %s; using its transforms only", torch.__version__
        )


def is_stood_in_for() -> bool:
    """Whether torchvision was imported with operators that its own library did not define."""
    return bool(_declared)

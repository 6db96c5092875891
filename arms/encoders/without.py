"""Parts of a model that share its parameters."""

import copy
from typing import Any

from torch import nn


def without(module: nn.Module, *names: str) -> Any:
    """A copy of a module that shares its parameters, without those named, which belong to other layers."""
    part = copy.copy(module)
    part._modules = {name: child for name, child in module._modules.items() if name not in names}
    part._parameters = {name: value for name, value in module._parameters.items() if name not in names}
    for name in names:
        part.__dict__.pop(name, None)
    return part

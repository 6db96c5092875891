"""Models of timm."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from arms.encoders.natural import ARCHITECTURE, CHECKPOINT, NATURAL, natural_folder, timm_name
from arms.encoders.origins import hub
from arms.encoders.pretrained.folders import digest_of, model_folder, naming, read_json
from arms.encoders.torchvision_guard import import_torchvision
from arms.errors import ArmsError

import_torchvision()

import timm  # noqa: E402

_WHAT = "image encoder"
_CONFIG = "config.json"


def load_timm_model(model: str, *, download: bool, sha256: Mapping[str, str] | None) -> tuple[nn.Module, str]:
    """A timm model without its classifier, and a digest of its configuration.

    Parameters
    ----------
    model : str
        natural, a folder in timm's layout, or a name on the hub with its commit.

    Raises
    ------
    ArmsError
        If it cannot be had, or its weights do not fit.
    """
    with naming(_WHAT, model), hub(reachable=False):
        if model == NATURAL:
            made: Any = timm.create_model(ARCHITECTURE)
            made.load_state_dict(natural_image_weights())
            config: Any = {"architecture": ARCHITECTURE}
        else:
            folder = model_folder(model, sha256, _WHAT, download=download)
            config = read_json(folder / _CONFIG)
            if "architecture" not in config:
                raise ArmsError(f"{_WHAT} {model!r}: expected timm's {_CONFIG} with an architecture in {folder}")
            # With its classifier, as timm checks the weights strictly only then.
            made = timm.create_model(f"local-dir:{folder}", pretrained=True)
        if getattr(made, "num_classes", 0):
            made.reset_classifier(0)
    return made, digest_of(config)


def natural_image_weights() -> dict[str, Tensor]:
    """EfficientNet-Lite0's weights, with its classifier, under the names that they have in timm."""
    state = torch.load(natural_folder("image") / CHECKPOINT, map_location="cpu", weights_only=True)
    return {timm_name(name): tensor for name, tensor in state.items()}

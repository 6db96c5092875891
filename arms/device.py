"""The device that nets run on."""

import torch

from arms.errors import ArmsError


def resolve_device(name: str) -> str:
    """The device that `runtime.device` means on this machine; auto is a GPU if there is one.

    Raises
    ------
    ArmsError
        If `name` is cuda and there is no CUDA GPU.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise ArmsError("runtime.device: expected a CUDA GPU for 'cuda', found none; use auto or cpu")
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return name


def choose_device(name: str) -> torch.device:
    """The device for `runtime.device`, with torch set up for results that repeat; see `resolve_device`."""
    name = resolve_device(name)
    # The same seed gives the same weights on the same machine; an operation that cannot ensure this warns.
    torch.use_deterministic_algorithms(True, warn_only=True)
    # Otherwise torch would also fill every new tensor, in case it is read before it is written.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    return torch.device(name)

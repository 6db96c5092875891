"""Changes to pictures that cannot change an answer: a little shift, a little more or less light and contrast."""

import torch
from torch import Tensor
from torch.nn import functional as F

_SHIFT = 0.04  # share of the side, at most, either way
_LIGHT = 0.1  # share of the range 0 to 255, at most, either way
_CONTRAST = 0.15  # at most, either way


def augment(pixels: Tensor) -> Tensor:
    """Shift each picture and change its light and contrast at random; its edge pixels fill the gap.

    There is no flip, rotation, crop or change of hue, so left and right, text, counts and colours stay the same.

    Parameters
    ----------
    pixels : Tensor of shape (N, 3, H, W), uint8

    Returns
    -------
    Tensor of the same shape and type
    """
    num, _, height, width = pixels.shape
    light, contrast = (
        (2 * torch.rand(num, 1, 1, 1, device=pixels.device) - 1) * most for most in (255 * _LIGHT, _CONTRAST)
    )
    mean = pixels.float().mean(dim=(1, 2, 3), keepdim=True)
    changed = (pixels.float() - mean) * (1 + contrast) + mean + light
    return _shift(changed.round().clamp(0, 255).to(torch.uint8), round(height * _SHIFT), round(width * _SHIFT))


def _shift(pixels: Tensor, most_down: int, most_right: int) -> Tensor:
    num, _, height, width = pixels.shape
    padded = F.pad(pixels.float(), (most_right, most_right, most_down, most_down), mode="replicate").to(pixels.dtype)
    down = torch.randint(0, 2 * most_down + 1, (num, 1), device=pixels.device)
    right = torch.randint(0, 2 * most_right + 1, (num, 1), device=pixels.device)
    rows = down + torch.arange(height, device=pixels.device)
    columns = right + torch.arange(width, device=pixels.device)
    which = torch.arange(num, device=pixels.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[which, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2).contiguous()

"""What both towers are trained on, by name."""

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from pretrain.attributes import NOT_TOLD
from pretrain.batches import PictureBatch, TextBatch, TrainBatch
from pretrain.net import PairNet, contrastive_loss

PIXEL_MEAN = PIXEL_STD = 0.5


def losses_of(net: PairNet, batch: TrainBatch) -> dict[str, Tensor]:
    """The losses of one batch in nats, by name; a batch of texts has only the first."""
    # Plain attention: on CPUs the fused kernel takes ten times as long for a picture's single query.
    with torch.autocast(batch.texts.mask.device.type, torch.bfloat16), sdpa_kernel(SDPBackend.MATH):
        losses = {"masked": masked_loss(net, batch.texts)}
        if batch.pictures is not None:
            losses |= _picture_losses(net, batch.pictures)
    return losses


def masked_loss(net: PairNet, texts: TextBatch) -> Tensor:
    """Masked-language loss (Devlin et al., arXiv:1810.04805)."""
    hidden = texts.targets >= 0
    states = net.text_states(texts.token_ids, texts.mask)
    return F.cross_entropy(net.fill_in(states[hidden]).float(), texts.targets[hidden])


def _picture_losses(net: PairNet, batch: PictureBatch) -> dict[str, Tensor]:
    pictures = net.picture_vectors(normalise(batch.pixels)).float()
    matched = net.text_states(batch.matched.token_ids, batch.matched.mask)
    projected = net.project_states(matched, batch.matched.mask).float()
    return {
        "contrastive": contrastive_loss(pictures, projected, net.log_scale),
        "grounded": _grounded_loss(net, pictures, batch.hidden),
        "attributes": attribute_loss(net.name_values(pictures), batch.attributes),
    }


def _grounded_loss(net: PairNet, pictures: Tensor, texts: TextBatch) -> Tensor:
    """Masked-language loss of texts about pictures that are at hand as one vector each."""
    hidden = texts.targets >= 0
    states = net.text_states(texts.token_ids, texts.mask)
    rows = hidden.nonzero()[:, 0]
    logits = net.fill_in(net.look_at(states[hidden], pictures[rows]))
    return F.cross_entropy(logits.float(), texts.targets[hidden])


def attribute_loss(logits: tuple[Tensor, ...], targets: Tensor) -> Tensor:
    """Cross-entropy, the mean over all attributes that apply to a picture.

    Parameters
    ----------
    logits : tuple of Tensor of shape (N, number of values)
    targets : Tensor of shape (N, number of attributes), int64
    """
    losses = [
        F.cross_entropy(scores.float(), target, ignore_index=NOT_TOLD, reduction="sum")
        for scores, target in zip(logits, targets.unbind(1), strict=True)
    ]
    return torch.stack(losses).sum() / (targets != NOT_TOLD).sum()


def normalise(pixels: Tensor) -> Tensor:
    """Pixels of 0 to 255 to numbers about 0."""
    return (pixels.float() / 255 - PIXEL_MEAN) / PIXEL_STD

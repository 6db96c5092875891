"""Both towers with the heads that only training needs."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from arms.encoders.torchvision_guard import import_torchvision

import_torchvision()

import open_clip  # noqa: E402
from open_clip.model import CLIPVisionCfg  # noqa: E402
from transformers import DistilBertConfig, DistilBertForMaskedLM  # noqa: E402

# open_clip builds both towers of a CLIP; its own text tower stays untrained and is made small.
NO_TEXT = {"context_length": 4, "vocab_size": 4, "width": 8, "heads": 1, "layers": 1}
_CHUNKS = 3  # of a batch of texts, each padded to its own longest
_FIRST_SCALE, _LARGEST_SCALE = math.log(1 / 0.07), math.log(100)


class PairNet(nn.Module):
    """An open_clip image tower and a DistilBERT text tower, N pictures and texts at a time.

    A picture is one vector. A projection puts texts into the space of these vectors; a head adds what the vector tells
    to the states of hidden pieces; a linear map names the values of attributes.

    Parameters
    ----------
    image : dict
        An open_clip model configuration (embed_dim, vision_cfg).
    text : dict
        A DistilBertConfig short of its vocabulary.
    vocabulary_size : int
    num_values : sequence of int
        Of each attribute.
    """

    def __init__(
        self, image: dict[str, Any], text: dict[str, Any], vocabulary_size: int, num_values: Sequence[int]
    ) -> None:
        super().__init__()
        vision = CLIPVisionCfg(**image["vision_cfg"])
        self.clip = open_clip.CLIP(embed_dim=image["embed_dim"], vision_cfg=vision, text_cfg=NO_TEXT)
        self.text = DistilBertForMaskedLM(DistilBertConfig(**text, vocab_size=vocabulary_size, pad_token_id=0))
        self.project = nn.Linear(text["dim"], image["embed_dim"], bias=False)
        self.log_scale = nn.Parameter(torch.tensor(_FIRST_SCALE))
        self.look = nn.Sequential(
            nn.Linear(text["dim"] + image["embed_dim"], text["hidden_dim"]),
            nn.GELU(),
            nn.Linear(text["hidden_dim"], text["dim"]),
        )
        self.name = nn.Linear(image["embed_dim"], sum(num_values))
        self.num_values = list(num_values)

    def trained_parameters(self) -> list[nn.Parameter]:
        """All but open_clip's own text tower and temperature."""
        parts = (self.clip.visual, self.text, self.project, self.look, self.name)
        return [*(parameter for part in parts for parameter in part.parameters()), self.log_scale]

    def picture_vectors(self, pixels: Tensor) -> Tensor:
        """Pixels of shape (N, 3, H, W), normalised, to vectors of shape (N, D)."""
        return self.clip.visual(pixels)

    def project_states(self, states_NTD: Tensor, mask_NT: Tensor) -> Tensor:
        """The text tower's states to vectors of shape (N, D): their mean over the pieces, projected."""
        weights = mask_NT.unsqueeze(-1).to(states_NTD.dtype)
        return self.project((states_NTD * weights).sum(1) / weights.sum(1))

    def text_states(self, token_ids: Tensor, mask: Tensor) -> Tensor:
        """States of shape (N, T, D_v). Texts of like lengths go through together: less padding, twice as fast."""
        lengths = mask.sum(1)
        states = torch.zeros(*token_ids.shape, self.project.in_features, device=token_ids.device)
        for rows in lengths.argsort(stable=True).chunk(_CHUNKS):
            longest = int(lengths[rows].max())
            part = self.text.distilbert(input_ids=token_ids[rows, :longest], attention_mask=mask[rows, :longest])
            columns = torch.arange(longest, device=rows.device)
            states = states.index_put((rows.unsqueeze(1), columns), part.last_hidden_state.float())
        return states

    def look_at(self, states: Tensor, pictures: Tensor) -> Tensor:
        """States of hidden pieces, shape (n, D_v), with what the vectors of their pictures add, shape (n, D)."""
        return states + self.look(torch.cat([states, pictures], dim=-1))

    def name_values(self, pictures: Tensor) -> tuple[Tensor, ...]:
        """Logits over the values of each attribute, shape (N, number of values) each."""
        return self.name(pictures).split(self.num_values, dim=-1)

    def fill_in(self, states: Tensor) -> Tensor:
        """Logits over the vocabulary for the states of masked pieces, shape (n, V)."""
        hidden = self.text.vocab_layer_norm(self.text.activation(self.text.vocab_transform(states)))
        return self.text.vocab_projector(hidden)


def contrastive_loss(image_ND: Tensor, text_ND: Tensor, log_scale: Tensor) -> Tensor:
    """CLIP's symmetric cross-entropy (Radford et al., arXiv:2103.00020, Fig. 3): row i belongs to row i.

    Parameters
    ----------
    image_ND, text_ND : Tensor of shape (N, D)
    log_scale : Tensor, scalar
        Logarithm of the inverse temperature, kept from growing over that of 100.
    """
    logits_NN = (
        F.normalize(image_ND, dim=-1) @ F.normalize(text_ND, dim=-1).T * log_scale.clamp(max=_LARGEST_SCALE).exp()
    )
    target = torch.arange(len(logits_NN), device=logits_NN.device)
    return (F.cross_entropy(logits_NN, target) + F.cross_entropy(logits_NN.T, target)) / 2

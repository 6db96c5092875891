"""The fusion experts: question attends to image (Eq. 4 of arXiv:2606.08970)."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Fusion = Literal["pooled", "tokens", "concat"]


class FusionExpert(nn.Module):
    """e_i = FFN(LN([q_i; Attn(q_i, X_i)])), the question as query, the image as key and value.

    X_i is the image's single vector g_i under `pooled`, over which the attention is always 1 and so only a learned
    projection (the published form); the T token states under `tokens`. Under `concat` there is no attention:
    e_i = FFN(LN([q_i; g_i])).

    Parameters
    ----------
    text_width : int
        d_q, also the width of the fused vector.
    key_width : int
        Width of X_i: d_g, or that of a token state under `tokens`.
    """

    def __init__(
        self,
        text_width: int,
        key_width: int,
        *,
        fusion: Fusion,
        num_heads: int,
        attention_width: int,
        ffn_width: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.attention = (
            None if fusion == "concat" else CrossAttention(text_width, key_width, attention_width, num_heads)
        )
        joint_width = text_width + (key_width if fusion == "concat" else attention_width)
        self.norm = nn.LayerNorm(joint_width)
        self.ffn = nn.Sequential(
            nn.Linear(joint_width, ffn_width), nn.GELU(), nn.Dropout(dropout), nn.Linear(ffn_width, text_width)
        )

    def forward(self, question_ND: Tensor, images_MTD: Tensor, image_N: Tensor) -> Tensor:
        """Fused vectors of shape (N, d_q).

        Parameters
        ----------
        question_ND : Tensor of shape (N, d_q)
        images_MTD : Tensor of shape (M, T, D)
            Tokens of the distinct images.
        image_N : Tensor of shape (N,), int64
            Each question's image among them.
        """
        if self.attention is None:
            seen_ND = images_MTD.squeeze(1)[image_N]
        else:
            seen_ND = self.attention(question_ND, images_MTD, image_N)
        return self.ffn(self.norm(torch.cat([question_ND, seen_ND], dim=-1)))


class CrossAttention(nn.Module):
    """Multi-head attention of one question vector over an image's tokens; keys and values are made once an image."""

    def __init__(self, query_width: int, key_width: int, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.query = nn.Linear(query_width, width)
        self.key = nn.Linear(key_width, width)
        self.value = nn.Linear(key_width, width)

    def forward(self, query_ND: Tensor, tokens_MTD: Tensor, image_N: Tensor) -> Tensor:
        """Attended values of shape (N, width); see `FusionExpert.forward`."""
        query = self._split_heads(self.query(query_ND).unsqueeze(1))
        key, value = (self._split_heads(project(tokens_MTD))[image_N] for project in (self.key, self.value))
        return F.scaled_dot_product_attention(query, key, value).flatten(1)

    def _split_heads(self, x_NTD: Tensor) -> Tensor:
        return x_NTD.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)


def mix_experts(gate_NE: Tensor, fused_NED: Tensor) -> Tensor:
    """Average the experts' fused vectors under the gate.

    e_i = sum_n p_i^(n) e_i^(n), the dense mixture behind Eq. 2 and 4 of arXiv:2606.08970.

    Parameters
    ----------
    gate_NE : Tensor of shape (N, E), rows sum to 1
    fused_NED : Tensor of shape (N, E, D)

    Returns
    -------
    Tensor of shape (N, D)

    Raises
    ------
    ValueError
        If the two tensors disagree on N or E.
    """
    if gate_NE.shape != fused_NED.shape[:2]:
        raise ValueError(
            f"gate is {tuple(gate_NE.shape)}, fused vectors are {tuple(fused_NED.shape)}: N and E must agree"
        )
    return torch.einsum("ne,ned->nd", gate_NE, fused_NED)

"""The fusion experts: question attends to image (Eq. 4 of arXiv:2606.08970)."""

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Fusion = Literal["outer", "pooled", "tokens", "concat"]


class FusionExperts(nn.Module):
    """E experts, each e_i = FFN(LN([q_i; Attn(q_i, X_i)])), the question as query, the image as key and value.

    `fusion` decides what X_i is. Under `outer`, the published form, its keys and values are the d_g numbers of the
    image's vector g_i, and each number of q_i is a query; see `attend_to_numbers`. Under `pooled` it is g_i as one key
    and value: the attention is always 1, which leaves only a learned projection. Under `tokens` it is the T token
    states. Under `concat` there is no attention: e_i = FFN(LN([q_i; g_i])). Under each, what a joint encoder says of
    picture and question, p_i, stands behind these: e_i = FFN(LN([q_i; Attn(q_i, X_i); p_i])).

    All experts' weights share tensors, because one product for all is faster than one for each.

    Parameters
    ----------
    num_experts : int
        E.
    text_width : int
        d_q, also the width of the fused vectors.
    key_width : int
        Width of X_i: d_g, or under `tokens` the width of a token state.
    max_images : int
        Under `tokens` all images of a query are attended to at once; each of so many places has a learned vector, that
        of the first being zero.
    pair_width : int
        Width of p_i; 0 without a joint encoder.
    """

    def __init__(
        self,
        num_experts: int,
        text_width: int,
        key_width: int,
        *,
        fusion: Fusion,
        max_images: int,
        num_heads: int,
        attention_width: int,
        ffn_width: int,
        dropout: float,
        pair_width: int = 0,
    ) -> None:
        super().__init__()
        self.num_experts, self.fusion = num_experts, fusion
        self.attention: CrossAttention | None = None
        if fusion in ("pooled", "tokens"):
            self.attention = CrossAttention(
                text_width,
                key_width,
                num_experts * attention_width,
                num_experts * num_heads,
                num_places=max_images if fusion == "tokens" else 1,
            )
        seen_width = {"outer": text_width, "concat": key_width}.get(fusion, attention_width)
        joint_width = text_width + seen_width + pair_width
        self.ffn = nn.Sequential(
            ExpertNorm(num_experts, joint_width),
            ExpertLinear(num_experts, joint_width, ffn_width),
            nn.GELU(),
            nn.Dropout(dropout),
            ExpertLinear(num_experts, ffn_width, text_width),
        )

    def forward(
        self, question_ND: Tensor, images_MTD: Tensor, image_NP: Tensor, pair_ND: Tensor | None = None
    ) -> Tensor:
        """Each expert's fused vectors, of shape (N, E, d_q).

        Parameters
        ----------
        question_ND : Tensor of shape (N, d_q)
        images_MTD : Tensor of shape (M, T, D)
            Tokens of the distinct images; if these are not attended to, one vector for each image or question.
        image_NP : Tensor of shape (N, P), int64
            For each question, the positions of its images in `images_MTD`; -1 beyond them.
        pair_ND : Tensor of shape (N, D_p), with a joint encoder
        """
        if self.attention is not None:
            seen_NED = self.attention(question_ND, images_MTD, image_NP).unflatten(-1, (self.num_experts, -1))
        else:
            image_ND = images_MTD.squeeze(1).index_select(0, image_NP[:, 0])
            # Nothing in this attention is learned, so all experts see the same.
            seen_ND = attend_to_numbers(question_ND, image_ND) if self.fusion == "outer" else image_ND
            seen_NED = self._for_each(seen_ND)
        pair = [] if pair_ND is None else [self._for_each(pair_ND)]
        return self.ffn(torch.cat([self._for_each(question_ND), seen_NED, *pair], dim=-1))

    def _for_each(self, x_ND: Tensor) -> Tensor:
        return x_ND.unsqueeze(1).expand(-1, self.num_experts, -1)


class CrossAttention(nn.Module):
    """Multi-head attention of one question vector over the tokens of its images.

    The heads of all experts are heads of one attention. A head's score of a token is q . (W_k t) = (W_k^T q) . t, and
    what it sees is W_v of the tokens' weighted mean: so no token is projected, only one vector for each question and
    head. The tokens of a second and further image have a vector of its place added, which begins as zeros.
    """

    def __init__(self, query_width: int, key_width: int, width: int, num_heads: int, *, num_places: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.query = nn.Linear(query_width, width)
        self.key = nn.Linear(key_width, width)
        self.value = nn.Linear(key_width, width)
        self.later_places = nn.Parameter(torch.zeros(num_places - 1, key_width))
        # It adds the same to the scores of all tokens, which the softmax takes away again; saved routers have one.
        self.key.bias.requires_grad_(False)

    def forward(self, query_ND: Tensor, tokens_MTD: Tensor, image_NP: Tensor) -> Tensor:
        """Attended values of shape (N, width); see `FusionExperts.forward`."""
        query_NHd = self.query(query_ND).unflatten(-1, (self.num_heads, -1))
        key_HdD, value_HdD = (layer.weight.unflatten(0, (self.num_heads, -1)) for layer in (self.key, self.value))
        asked_NHD = torch.einsum("nhd,hdk->nhk", query_NHd, key_HdD)
        tokens_NLD = self._of_queries(tokens_MTD, image_NP)
        mask = None
        if image_NP.shape[1] > 1:
            mask = (image_NP >= 0).repeat_interleave(tokens_MTD.shape[1], dim=1)[:, None]
        scale = query_NHd.shape[-1] ** -0.5
        seen_NHD = F.scaled_dot_product_attention(asked_NHD, tokens_NLD, tokens_NLD, attn_mask=mask, scale=scale)
        return torch.einsum("nhk,hdk->nhd", seen_NHD, value_HdD).flatten(1) + self.value.bias

    def _of_queries(self, tokens_MTD: Tensor, image_NP: Tensor) -> Tensor:
        """Tokens of each query's images, one after the other, shape (N, P T, D)."""
        # index_select, because the gradient of x[rows] is summed in a random order, so that runs would differ.
        if image_NP.shape[1] == 1:
            return tokens_MTD.index_select(0, image_NP[:, 0])
        each_NPTD = tokens_MTD.index_select(0, image_NP.clamp(min=0).flatten()).unflatten(0, image_NP.shape)
        places_PD = F.pad(self.later_places[: image_NP.shape[1] - 1], (0, 0, 1, 0))
        return (each_NPTD + places_PD[:, None]).flatten(1, 2)


def attend_to_numbers(question_NQ: Tensor, image_NG: Tensor) -> Tensor:
    """softmax(q g^T / sqrt(d_q)) g, with q and g as columns: Eq. 4 read to the letter, without any projection.

    q g^T is a matrix of d_q x d_g, with one softmax over the d_g numbers of the image for each number of the question:
    out_k = sum_l g_l exp(a_k g_l) / sum_l exp(a_k g_l), with a = q / sqrt(d_q). At q_k = 0 it is the mean of g, at
    large q_k the largest number of g, and at large -q_k the smallest.

    This is attention over tokens of width 1. The N x d_q x d_g weights (100 MB for 64 queries of the published
    widths) are never stored where torch has a fused kernel, which computes them again in the backward pass.

    Parameters
    ----------
    question_NQ : Tensor of shape (N, d_q)
    image_NG : Tensor of shape (N, d_g)

    Returns
    -------
    Tensor of shape (N, d_q), float32 or float64
        Float32 even under mixed precision, because the softmax sums hundreds of weights.
    """
    precision = torch.promote_types(question_NQ.dtype, torch.float32)
    # On a GPU the fused kernel takes widths that are a multiple of 8; zeros add nothing to a product.
    padding = (0, 7) if question_NQ.is_cuda else (0, 0)
    with torch.autocast(device_type=question_NQ.device.type, enabled=False):
        query_N1Q1, key_N1G1 = (
            F.pad(x_ND.to(precision)[:, None, :, None], padding) for x_ND in (question_NQ, image_NG)
        )
        scale = question_NQ.shape[-1] ** -0.5
        seen = F.scaled_dot_product_attention(query_N1Q1, key_N1G1, key_N1G1, scale=scale)
    return seen[:, 0, :, 0]


class ExpertLinear(nn.Module):
    """A linear layer for each of E experts, from (N, E, D_in) to (N, E, D_out), initialised as `nn.Linear` is."""

    def __init__(self, num_experts: int, in_width: int, out_width: int) -> None:
        super().__init__()
        self.num_experts = num_experts
        bound = 1 / math.sqrt(in_width)
        self.weight = nn.Parameter(torch.empty(num_experts, in_width, out_width).uniform_(-bound, bound))
        # One-dimensional, because the optimiser decays every parameter of more dimensions.
        self.bias = nn.Parameter(torch.empty(num_experts * out_width).uniform_(-bound, bound))

    def forward(self, x_NED: Tensor) -> Tensor:
        """Each expert's product with its own matrix."""
        bias_ED = self.bias.view(self.num_experts, 1, -1)
        return torch.baddbmm(bias_ED, x_NED.transpose(0, 1), self.weight).transpose(0, 1)


class ExpertNorm(nn.Module):
    """Layer normalisation with a scale and a shift for each of E experts."""

    def __init__(self, num_experts: int, width: int) -> None:
        super().__init__()
        self.width = width
        self.weight = nn.Parameter(torch.ones(num_experts * width))
        self.bias = nn.Parameter(torch.zeros(num_experts * width))

    def forward(self, x_NED: Tensor) -> Tensor:
        """The same shape, normalised along the last axis."""
        weight_ED, bias_ED = self.weight.view(-1, self.width), self.bias.view(-1, self.width)
        return torch.addcmul(bias_ED, F.layer_norm(x_NED, (self.width,)), weight_ED)


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

"""The cosine classifier: how sure the router is of each VLM (Eq. 5 and 6 of arXiv:2606.08970)."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class CosineClassifier(nn.Module):
    """s_ij = cos(W_z LN([q_i; e_i]), m_j), t_ij = clamp(a arctanh(s_ij), min, max).

    The published Eq. 5 compares LN([q_i; e_i]), of width 2 d_q, with m_j, of width d_q; W_z maps the first to d_q.

    Profile sentences are alike, so a frozen text encoder puts them close together, and their cosines hardly differ.
    With `project_profiles`, W_m LN(m_j) replaces m_j; W_m starts as the identity.

    Parameters
    ----------
    text_width : int
        d_q, the width of questions, fused vectors and profiles.
    logit_min, logit_max : float
        The interval of Eq. 6.
    project_profiles : bool
        False is the published form.
    logit_scale : float
        The start value of a. With 1, the published form, a confidence of 0.95 needs a cosine of 0.90.
    learn_logit_scale : bool
        False is the published form.
    """

    log_scale: Tensor

    def __init__(
        self,
        text_width: int,
        logit_min: float,
        logit_max: float,
        *,
        project_profiles: bool,
        logit_scale: float,
        learn_logit_scale: bool,
    ) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(2 * text_width)
        self.project = nn.Linear(2 * text_width, text_width, bias=False)
        self.profile_head: nn.Module = nn.Identity()
        if project_profiles:
            linear = nn.Linear(text_width, text_width, bias=False)
            nn.init.eye_(linear.weight)
            self.profile_head = nn.Sequential(nn.LayerNorm(text_width), linear)
        log_scale = torch.tensor([math.log(logit_scale)])  # learnt as a logarithm, so that a stays positive
        if learn_logit_scale:
            self.log_scale = nn.Parameter(log_scale)
        else:
            self.register_buffer("log_scale", log_scale)
        self.logit_min = logit_min
        self.logit_max = logit_max

    def forward(self, question_ND: Tensor, fused_ND: Tensor, profile_SD: Tensor) -> Tensor:
        """Logits t of shape (N, S), float32: the confidence is their sigmoid. Computed in float32 throughout."""
        with torch.autocast(device_type=question_ND.device.type, enabled=False):
            z_ND = self.project(self.norm(torch.cat([question_ND.float(), fused_ND.float()], dim=-1)))
            profile_SD = self.profile_head(profile_SD.float())
            return cosine_logits(z_ND, profile_SD, self.logit_min, self.logit_max, scale=self.log_scale.exp())


# At a cosine of 1 the arctanh and its gradient are infinite; at this one it is 8, beyond any useful limit.
_EDGE = math.tanh(8.0)


def cosine_logits(
    z_ND: Tensor, profile_SD: Tensor, logit_min: float, logit_max: float, *, scale: Tensor | float = 1.0
) -> Tensor:
    """Scaled inverse hyperbolic tangent of the cosine, clamped; one (N x D)(D x S) product.

    Computed in float32 even under mixed precision: in bfloat16 a cosine of 0.9999 rounds to 1 and its arctanh to
    infinity. For the same reason a GPU, which may round the factors of a float32 product (TF32), computes no product
    here but a sum.

    Parameters
    ----------
    z_ND : Tensor of shape (N, D)
    profile_SD : Tensor of shape (S, D)
    scale : Tensor of one value, or float
        a of `CosineClassifier`.

    Returns
    -------
    Tensor of shape (N, S), float32, in [logit_min, logit_max]
    """
    with torch.autocast(device_type=z_ND.device.type, enabled=False):
        unit_ND, unit_SD = F.normalize(z_ND.float(), dim=-1), F.normalize(profile_SD.float(), dim=-1)
        cosine_NS = (unit_ND.unsqueeze(1) * unit_SD).sum(dim=-1) if unit_ND.is_cuda else unit_ND @ unit_SD.T
        return (scale * cosine_NS.clamp(-_EDGE, _EDGE).atanh()).clamp(logit_min, logit_max)

"""The net: the encoders' tunable tails and the head above them."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from arms.encoders.base import Encoder
from arms.encoders.batch import Batch, QueryBatch
from arms.encoders.image import ImageEncoder
from arms.errors import ArmsError
from arms.nn.classifier import CosineClassifier
from arms.nn.experts import FusionExperts, mix_experts
from arms.nn.gate import Gate
from arms.params.training import RouterParams, Trains


class EncodedQueries(NamedTuple):
    """N queries about M distinct images, encoded.

    Attributes
    ----------
    question_ND, image_ND : Tensor of shape (N, d_q) and (N, d_g)
        Question vectors q and image vectors g: the mean of a query's images, or what was learned for none.
    tokens_MTD : Tensor of shape (M, T, D)
        What experts attend to: each image's tokens; or one vector, of each image if no query has several, else of each
        query.
    image_NP : Tensor of shape (N, P), int64
        For each query, the positions of its images in `tokens_MTD`, in their order; -1 beyond them.
    pair_ND : Tensor of shape (N, d_q), or None
        What the joint encoder says of the pair, projected.
    """

    question_ND: Tensor
    image_ND: Tensor
    tokens_MTD: Tensor
    image_NP: Tensor
    pair_ND: Tensor | None = None

    @property
    def gated(self) -> Tensor:
        """What the gate takes beside the question, N rows: [g; p], or g without a joint encoder."""
        return self.image_ND if self.pair_ND is None else torch.cat([self.image_ND, self.pair_ND], dim=-1)


class RouterNet(nn.Module):
    """From what crosses the encoders' cuts to one logit per query and VLM.

    Parameters
    ----------
    image_encoder : ImageEncoder
    text_encoder : Encoder
        Their tails become part of the net.
    params : RouterParams
    pair_width : int
        Width of the joint encoder's vectors, which gate and experts then take as a third block; 0 without one.

    Raises
    ------
    ArmsError
        If `fusion` is tokens and the image encoder stores no token states.
    """

    def __init__(
        self, image_encoder: ImageEncoder, text_encoder: Encoder, params: RouterParams, *, pair_width: int = 0
    ) -> None:
        super().__init__()
        if params.fusion == "tokens" and image_encoder.crossing == ("pooled",):
            raise ArmsError(
                "router.fusion: tokens needs token states, but the frozen image encoder stores only pooled embeddings; "
                "set image.store_tokens: true in conf/encoders/, or router.fusion: pooled or outer"
            )
        text_width, image_width = text_encoder.width, image_encoder.width
        self.text_width = text_width
        # In the place of an image where a query has none. Zeros at first: a net without such queries ignores them.
        self.no_image_D = nn.Parameter(torch.zeros(image_width))
        self.no_token_D = nn.Parameter(torch.zeros(image_encoder.token_width if params.fusion == "tokens" else 0))
        self.params, self.fusion, self.inputs = params, params.fusion, params.inputs
        self.image_tail, self.text_tail = image_encoder.tail, text_encoder.tail
        # Its vectors may be many times as wide and as long as the others; normalised and projected they are not.
        self.pair = nn.Sequential(nn.LayerNorm(pair_width), nn.Linear(pair_width, text_width)) if pair_width else None
        seen_width = text_width if pair_width else 0
        self.gate = Gate(text_width, image_width + seen_width, params.num_experts, params.top_k)
        self.experts = FusionExperts(
            params.num_experts,
            text_width,
            image_encoder.token_width if params.fusion == "tokens" else image_width,
            fusion=params.fusion,
            max_images=image_encoder.max_images,
            pair_width=seen_width,
            num_heads=params.num_heads,
            attention_width=params.attention_width,
            ffn_width=params.ffn_width,
            dropout=params.dropout,
        )
        self.classifier = CosineClassifier(
            text_width,
            params.logit_min,
            params.logit_max,
            project_profiles=params.project_profiles,
            logit_scale=params.logit_scale,
            learn_logit_scale=params.learn_logit_scale,
        )

    def forward(self, queries: QueryBatch, profiles: Batch) -> Tensor:
        """Logits of shape (N, S), float32; the confidence c_ij is their sigmoid.

        Parameters
        ----------
        queries : QueryBatch of N queries
        profiles : dict of str to Tensor
            What crosses the text encoder's cut for the S profile sentences.
        """
        return self.forward_with_gate(queries, profiles)[0]

    def forward_with_gate(self, queries: QueryBatch, profiles: Batch) -> tuple[Tensor, Tensor]:
        """What `forward` returns, and the gate's weights of shape (N, E) before any is set to zero."""
        encoded = self.encode_queries(queries)
        logits_NS = self.score(encoded, self.encode_profiles(profiles))
        return logits_NS, self.gate.all_weights(encoded.question_ND, encoded.gated)

    def encode_queries(self, queries: QueryBatch) -> EncodedQueries:
        """Encode questions and images into the vectors that gate and experts take."""
        question_ND = self.text_tail(queries.questions)["pooled"].index_select(0, queries.question_N)
        pooled_MD, tokens_MTD, image_NP = self._encode_images(queries, question_ND.dtype)
        image_ND = mean_of_images(pooled_MD, image_NP)
        if tokens_MTD is None and image_NP.shape[1] == 1:
            tokens_MTD = pooled_MD.unsqueeze(1)  # keys and values once for each distinct image
        elif tokens_MTD is None:
            tokens_MTD, image_NP = image_ND.unsqueeze(1), torch.arange(len(image_ND), device=image_ND.device)[:, None]
        # The ablations blank one side; the layers above then see only their own biases of it.
        if self.inputs == "image":
            question_ND = torch.zeros_like(question_ND)
        if self.inputs == "text":
            image_ND, tokens_MTD = torch.zeros_like(image_ND), torch.zeros_like(tokens_MTD)
        return EncodedQueries(question_ND, image_ND, tokens_MTD, image_NP, self._encode_pairs(queries))

    def _encode_pairs(self, queries: QueryBatch) -> Tensor | None:
        if self.pair is None:
            return None
        if queries.pair_ND is None:
            raise ArmsError("this router reads pictures and question together, and these queries have no such features")
        # A pair is of both sides, so that an ablation of either leaves it out.
        return self.pair(queries.pair_ND if self.inputs == "both" else torch.zeros_like(queries.pair_ND))

    def _encode_images(self, queries: QueryBatch, dtype: torch.dtype) -> tuple[Tensor, Tensor | None, Tensor]:
        """Vectors and token states of the distinct images, with a last row for none where a query has none.

        In the image_NP that comes third, each query's first place has one of these rows. There are token states under
        `fusion: tokens` only.
        """
        pooled, tokens, image_NP = list[Tensor](), list[Tensor](), queries.image_NP
        if queries.images:
            image = self.image_tail(queries.images)
            pooled.append(image["pooled"].to(dtype))
            if self.fusion == "tokens":
                tokens.append(image["tokens"].to(dtype))
        if queries.has_blank:
            first_N1, later_NP = image_NP[:, :1], image_NP[:, 1:]
            image_NP = torch.cat([first_N1.where(first_N1 >= 0, sum(map(len, pooled))), later_NP], dim=1)
            pooled.append(self.no_image_D[None])
            tokens.append(self.no_token_D.expand(1, tokens[0].shape[1] if tokens else 1, -1))
        return _joined(pooled), _joined(tokens) if self.fusion == "tokens" else None, image_NP

    def encode_profiles(self, profiles: Batch) -> Tensor:
        """Profile vectors m of shape (S, d_q)."""
        return self.text_tail(profiles)["pooled"]

    def fuse(self, queries: EncodedQueries) -> tuple[Tensor, Tensor]:
        """Fused vectors e (N, d_q) and the gate's weights (N, E)."""
        gate_NE = self.gate(queries.question_ND, queries.gated)
        fused_NED = self.experts(queries.question_ND, queries.tokens_MTD, queries.image_NP, queries.pair_ND)
        return mix_experts(gate_NE, fused_NED), gate_NE

    def score(self, queries: EncodedQueries, profile_SD: Tensor) -> Tensor:
        """Logits of shape (N, S) from encoded queries and profiles."""
        fused_ND, _ = self.fuse(queries)
        return self.classifier(queries.question_ND, fused_ND, profile_SD)

    def head_parameters(self) -> list[nn.Parameter]:
        """Parameters of gate, experts and classifier, and the vectors in the place of an image that is not there."""
        modules = [self.gate, self.experts, self.classifier, *([] if self.pair is None else [self.pair])]
        parts = [p for part in modules for p in part.parameters()]
        return [*parts, self.no_image_D, self.no_token_D]

    def tail_parameters(self, trains: Trains) -> list[nn.Parameter]:
        """Parameters of the tunable layers of both encoders, of one encoder, or of neither."""
        tails = {"image": self.image_tail, "text": self.text_tail}
        return [p for name, tail in tails.items() if trains in ("all", name) for p in tail.parameters()]


def mean_of_images(pooled_MD: Tensor, image_NP: Tensor) -> Tensor:
    """The mean vector of each query's images, shape (N, D).

    Parameters
    ----------
    pooled_MD : Tensor of shape (M, D)
    image_NP : Tensor of shape (N, P), int64
        Rows of `pooled_MD`; each query has one image or more, and -1 beyond them.
    """
    if image_NP.shape[1] == 1:
        return pooled_MD.index_select(0, image_NP[:, 0])
    each_NPD = pooled_MD.index_select(0, image_NP.clamp(min=0).flatten()).unflatten(0, image_NP.shape)
    there_NP1 = (image_NP >= 0).unsqueeze(-1)
    return (each_NPD * there_NP1).sum(dim=1) / there_NP1.sum(dim=1)


def _joined(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts)

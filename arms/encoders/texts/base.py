"""What a library's file hands over: a text model as layers, and how texts become its tokens."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional as F

from arms.encoders.batch import Batch
from arms.encoders.torchvision_guard import import_torchvision
from arms.errors import ArmsError

import_torchvision()  # a process that is handed an encoder imports its library by the names of its classes

Pooling = Literal["cls", "mean", "last"]


@dataclass(frozen=True, kw_only=True)
class TextModel:
    """A text model, as layers that `arms.encoders.base.cut_layers` can cut, or as one layer where it cannot.

    Attributes
    ----------
    embed : Module
        From ``token_ids`` and ``mask`` to ``states``; with no blocks, to ``pooled``.
    blocks : list of Module
        Empty where the model can only be frozen whole.
    finish : Module
        From states to ``pooled`` of shape (N, D).
    width : int
        D.
    uncut : str
        Why it can only be frozen whole; empty where it can be cut.
    tokenizer : Tokenizer
    num_positions : int or None
        The longest text that it has positions for; None: any.
    prepare : callable
        What is done to a text before it is tokenised.
    config : dict
        Builds the model again without its weights; empty where only its source can.
    read : dict
        What its tokens depend on beside the tokenizer, for the fingerprint.
    computed : dict
        What else its states depend on, but for the weights.
    """

    embed: nn.Module
    blocks: list[nn.Module] = field(default_factory=list)
    finish: nn.Module = field(default_factory=nn.Identity)
    width: int
    uncut: str = ""
    tokenizer: Tokenizer
    num_positions: int | None
    prepare: Callable[[str], str] = str
    config: dict[str, Any] = field(default_factory=dict)
    read: Mapping[str, Any] = field(default_factory=dict)
    computed: Mapping[str, Any] = field(default_factory=dict)


class Pool(nn.Module):
    """A text's vector from the states of its tokens."""

    def __init__(self, pooling: Pooling, *, normalise: bool = False) -> None:
        super().__init__()
        self.pooling, self.normalise = pooling, normalise

    def forward(self, batch: Batch) -> Batch:
        states, mask = batch["states"], batch["mask"]
        pooled = pool(states, mask, self.pooling)
        return {"pooled": F.normalize(pooled, dim=-1) if self.normalise else pooled, "tokens": states, "mask": mask}


def pool(states: Tensor, mask: Tensor, pooling: Pooling) -> Tensor:
    """The first or the last token's state, or the mean of all, shape (N, D)."""
    if pooling == "cls":
        return states[:, 0]
    lengths = mask.sum(dim=1, keepdim=True).clamp(min=1)
    if pooling == "last":
        return states.take_along_dim(lengths[..., None] - 1, dim=1).squeeze(1)
    # Counted in integers: bfloat16 has no odd number above 256.
    return (states * mask.unsqueeze(-1)).sum(dim=1) / lengths


class WholeText(nn.Module):
    """A model that is frozen whole.

    Parameters
    ----------
    model : Module
    encode : callable
        From the model, token ids of shape (N, T), int64, and their mask, bool, to embeddings of shape (N, D).
    pad_id : int
        The token id behind the end of a text.
    length : int or None
        Texts are padded to so many tokens, for a model that sees its padding; None: to the longest.
    """

    def __init__(
        self,
        model: nn.Module,
        encode: Callable[[Any, Tensor, Tensor], Tensor],
        *,
        pad_id: int,
        length: int | None = None,
        normalise: bool = False,
    ) -> None:
        super().__init__()
        self.model, self.encode = model, encode
        self.pad_id, self.length, self.normalise = pad_id, length, normalise

    def forward(self, batch: Batch) -> Batch:
        ids, mask = batch["token_ids"].long().masked_fill(~batch["mask"], self.pad_id), batch["mask"]
        if self.length is not None:
            missing = (0, self.length - ids.shape[1])
            ids, mask = F.pad(ids, missing, value=self.pad_id), F.pad(mask, missing, value=False)
        pooled = self.encode(self.model, ids, mask)
        return {"pooled": F.normalize(pooled, dim=-1) if self.normalise else pooled}


def width_of(whole: nn.Module, what: str) -> int:
    """The width of the embedding, by running the model once.

    Raises
    ------
    ArmsError
        If the model cannot be run on token ids alone, or gives no vector for each text.
    """
    ids = torch.tensor([[1, 2, 1]], dtype=torch.int32)
    try:
        with torch.inference_mode():
            pooled = whole.eval()({"token_ids": ids, "mask": torch.ones_like(ids, dtype=torch.bool)})["pooled"]
    except ArmsError:
        raise
    except Exception as error:  # whatever a model needs beside its tokens
        raise ArmsError(f"{what} cannot be run on a text: {type(error).__name__}: {error}") from error
    if pooled.ndim != 2:
        raise ArmsError(f"{what}: expected one vector for a text, got numbers of shape {tuple(pooled.shape)}")
    return int(pooled.shape[1])

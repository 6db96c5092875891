"""What a library's file hands over: a joint model, and how a pair of pictures and question becomes its inputs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tokenizers import Tokenizer
from torch import nn


@dataclass(frozen=True, kw_only=True)
class JointModel:
    """A model of pictures and texts together.

    Attributes
    ----------
    module : Module
        From the inputs of one pair to ``pooled`` of shape (1, D).
    processor : callable
        From ``text`` and ``images``, as transformers' processors take them, to these inputs.
    tokenizer : Tokenizer
        The processor's, to count the tokens of a question.
    special : tuple of str
        Texts that would be tokens of the model's own in a question, such as a picture's place.
    read, computed : dict
        What the inputs, and what else the vectors depend on beside the tokenizer and the weights, for the fingerprint.
    """

    module: nn.Module
    processor: Any
    tokenizer: Tokenizer
    special: tuple[str, ...]
    read: Mapping[str, Any]
    computed: Mapping[str, Any]

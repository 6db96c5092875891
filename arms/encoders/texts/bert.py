"""transformers' encoders whose layers take only states and a mask, and share no weights with each other."""

from typing import Any

from torch import nn

from arms.encoders.batch import Batch
from arms.encoders.torchvision_guard import import_torchvision

import_torchvision()

from transformers.masking_utils import create_bidirectional_mask  # noqa: E402

# Where a family keeps its blocks.
BLOCKS = {"distilbert": "transformer.layer"} | dict.fromkeys(
    ("bert", "camembert", "data2vec-text", "electra", "ernie", "roberta", "xlm-roberta"), "encoder.layer"
)


def take_apart(model: Any, family: str) -> tuple[nn.Module, list[nn.Module]]:
    """Embedding and blocks; the states of the last block are the model's."""
    return _Embed(model), [_Block(layer, model.config) for layer in model.get_submodule(BLOCKS[family])]


class _Embed(nn.Module):
    def __init__(self, model: Any) -> None:
        super().__init__()
        self.embeddings = model.embeddings
        self.project = getattr(model, "embeddings_project", nn.Identity())  # of an electra model

    def forward(self, batch: Batch) -> Batch:
        return {"states": self.project(self.embeddings(batch["token_ids"].long())), "mask": batch["mask"]}


class _Block(nn.Module):
    def __init__(self, layer: Any, config: Any) -> None:
        super().__init__()
        self.layer = layer
        self.config = config

    def forward(self, batch: Batch) -> Batch:
        states, mask = batch["states"], batch["mask"]
        attention_mask = create_bidirectional_mask(config=self.config, inputs_embeds=states, attention_mask=mask.long())
        output = self.layer(states, attention_mask)
        return {"states": output[0] if isinstance(output, tuple) else output, "mask": mask}

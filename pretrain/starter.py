"""Turn a trained router into the one that ships with the package: the same, with its weights in half precision."""

import shutil
import sys
from pathlib import Path

import torch

from arms.routers.checkpoint import read_description, read_weights, write_checkpoint

TOKENIZER = "tokenizer.json"


def write_starter(trained: Path, starter: Path) -> None:
    """Copy a router of one net. Its float32 weights become float16, which loading turns back: half the size in Git.

    Parameters
    ----------
    trained : Path
        A folder that `ArmsRouter.save` wrote.
    starter : Path
        The folder to write to; other files in it, such as the card, stay.
    """
    description = read_description(trained)
    halved = {
        part: {name: one.half() if one.dtype == torch.float32 else one for name, one in tensors.items()}
        for part, tensors in read_weights(trained, description).items()
    }
    starter.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(trained / TOKENIZER, starter / TOKENIZER)
    write_checkpoint(starter, halved, description, files=(TOKENIZER,))


if __name__ == "__main__":
    write_starter(Path(sys.argv[1]), Path(sys.argv[2]))

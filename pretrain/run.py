"""Train both towers and keep them: python -m pretrain.run."""

import json
import logging
from pathlib import Path

from tokenizers import Tokenizer

from arms.device import choose_device
from arms.progress import show_progress
from pretrain.settings import read_settings
from pretrain.train import build_net, train
from pretrain.vocabulary import TOKENIZER

CHECKPOINT = Path("pretrain/output/checkpoint.pt")
CURVE = Path("pretrain/output/curve.jsonl")


def main() -> None:
    """Write pretrain/output/checkpoint.pt, from the step that it is at to the last one."""
    logging.basicConfig(level=logging.INFO, format="pretrain: %(message)s")
    show_progress()
    settings, tokenizer = read_settings(), Tokenizer.from_file(str(TOKENIZER))
    net, device = build_net(settings, tokenizer), choose_device(settings.runtime.device)
    with CURVE.open("a") as curve:
        for step in train(net, settings, tokenizer, checkpoint=CHECKPOINT, device=device):
            curve.write(json.dumps(vars(step)) + "\n")
            curve.flush()


if __name__ == "__main__":
    main()

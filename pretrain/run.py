"""Pretrain both towers and keep them: python -m pretrain.run."""

import json
import logging
import sys
from pathlib import Path

from tokenizers import Tokenizer
from tqdm import tqdm

from arms.device import choose_device
from pretrain.settings import read_settings
from pretrain.train import StepLog, train
from pretrain.vocabulary import TOKENIZER

CHECKPOINT = Path("pretrain/output/checkpoint.pt")
CURVE = Path("pretrain/output/curve.jsonl")


def main() -> None:
    """Write pretrain/output/checkpoint.pt, from where it stands to the last step."""
    logging.basicConfig(level=logging.INFO, format="pretrain: %(message)s")
    settings = read_settings()
    tokenizer = Tokenizer.from_file(str(TOKENIZER))
    terminal = sys.stderr.isatty()
    with (
        tqdm(total=settings.train.total_steps, unit="steps", mininterval=0.5 if terminal else 60) as bar,
        CURVE.open("a") as curve,
    ):

        def log(step: StepLog) -> None:
            bar.update(step.step - bar.n)
            curve.write(json.dumps(vars(step)) + "\n")
            curve.flush()

        train(settings, tokenizer, checkpoint=CHECKPOINT, device=choose_device(settings.runtime.device), on_step=log)


if __name__ == "__main__":
    main()

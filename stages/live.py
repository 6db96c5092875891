"""Training curves, logged with dvclive."""

import logging
from collections.abc import Iterable
from pathlib import Path

from dvclive import Live

from arms.training.epoch_log import EpochLog

logger = logging.getLogger("stages.training")


def log_epochs(logs: Iterable[EpochLog], folder: Path) -> None:
    """Run all epochs, and log each epoch's loss and EM on train and val into a folder, for `dvc plots`."""
    with Live(str(folder), save_dvc_exp=False, dvcyaml=None) as live:
        for log in logs:
            values = {
                "train/loss": log.train_loss,
                "train/em": log.train_em,
                "val/loss": log.val_loss,
                "val/em": log.val_em,
            }
            live.step = log.epoch
            for name, value in values.items():
                if value is not None:
                    live.log_metric(name, round(value, 5))
            live.make_summary()
            shown = ", ".join(f"{name} {value:.4f}" for name, value in values.items() if value is not None)
            logger.info("epoch %d: %s (%.0f queries/s)", log.epoch, shown, log.queries_per_s)

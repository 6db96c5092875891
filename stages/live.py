"""Training curves, logged with dvclive."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dvclive import Live

from arms.training.epoch_log import EpochLog

OnEpoch = Callable[[EpochLog], None]

logger = logging.getLogger("stages.training")


@contextmanager
def live_log(folder: Path) -> Iterator[OnEpoch]:
    """Log loss and EM of each epoch on train and val into a folder, for `dvc plots`."""
    with Live(str(folder), save_dvc_exp=False, dvcyaml=None) as live:

        def log_epoch(log: EpochLog) -> None:
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

        yield log_epoch

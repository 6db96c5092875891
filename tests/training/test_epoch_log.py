import pytest

from arms.training.epoch_log import EpochLog, kept_epoch


def logged(*val):
    """One log for each pair of EM and loss on val."""
    return [
        EpochLog(epoch=epoch, train_loss=0.5, train_em=0.5, val_loss=loss, val_em=em, queries_per_s=1.0)
        for epoch, (em, loss) in enumerate(val, start=1)
    ]


@pytest.mark.parametrize(
    ("val", "best"),
    [
        ([(0.5, 0.6), (0.7, 0.9), (0.6, 0.1)], 2),
        ([(0.7, 0.6), (0.7, 0.5), (0.7, 0.5)], 2),
        ([(None, None), (None, None)], 2),
        ([(None, 0.4), (None, 0.5), (None, 0.6)], 3),
    ],
)
def test_the_epoch_whose_weights_are_kept(val, best):
    assert kept_epoch(logged(*val), "best") == best
    assert kept_epoch(logged(*val), "last") == len(val)

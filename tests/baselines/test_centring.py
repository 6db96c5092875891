import numpy as np
import pytest
import torch

from arms.baselines.centring import Centring
from arms.features.pooled import unit_norm


def test_by_hand():
    """Mean [1, 3]; about it 1, 1, 4, 4, whose mean square is 2.5."""
    centring = Centring.of(np.array([[0, 1], [2, 5]], dtype=np.float32))
    assert centring.mean_D.tolist() == [1, 3]
    assert centring.scale == pytest.approx(np.sqrt(2.5))
    centred = centring(np.array([[1, 3], [1, 8]]))
    assert centred.dtype == torch.float32
    np.testing.assert_allclose(centred, [[0, 0], [0, 5 / np.sqrt(2.5)]], rtol=1e-6)


def test_the_vectors_themselves_come_out_centred_at_unit_mean_square():
    vectors = np.random.default_rng(0).normal(0.3, 0.02, size=(50, 6)).astype(np.float32)
    centred = Centring.of(vectors)(vectors).numpy()
    np.testing.assert_allclose(centred.mean(axis=0), 0, atol=1e-5)
    assert np.square(centred).mean() == pytest.approx(1, abs=1e-5)
    cosines, expected = (unit_norm(rows) @ unit_norm(rows).T for rows in (centred, vectors - vectors.mean(axis=0)))
    np.testing.assert_allclose(cosines, expected, atol=1e-4)


@pytest.mark.parametrize("vectors", [np.ones((4, 3), np.float32), np.ones((1, 3), np.float32), np.empty((0, 3))])
def test_nothing_to_scale_by(vectors):
    assert Centring.of(vectors).scale == 1
    np.testing.assert_array_equal(Centring.of(vectors)(vectors), np.zeros(vectors.shape))

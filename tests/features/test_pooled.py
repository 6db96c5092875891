import numpy as np
import pytest

from arms.features.pooled import Embeddings, unit_norm

MADE = Embeddings(np.array([[3, 4], [0, 2]], dtype=np.float32), np.array([[0, 0, 2], [1, 0, 0]], dtype=np.float32))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("text", [[0.6, 0.8], [0, 1]]),
        ("image", [[0, 0, 1], [1, 0, 0]]),
        ("concat", [[3, 4, 0, 0, 2], [0, 2, 1, 0, 0]]),
        ("normalised", np.array([[0.6, 0.8, 0, 0, 1], [0, 1, 1, 0, 0]]) / np.sqrt(2)),
    ],
)
def test_matrix(kind, expected):
    matrix = MADE.matrix(kind)
    np.testing.assert_allclose(matrix, expected, atol=1e-7)
    assert (matrix.dtype, matrix.flags.c_contiguous) == (np.float32, True)


def test_an_inner_product_of_normalised_vectors_is_the_mean_of_both_cosines():
    vectors = MADE.matrix("normalised")
    text, image = MADE.matrix("text"), MADE.matrix("image")
    np.testing.assert_allclose(vectors @ vectors.T, (text @ text.T + image @ image.T) / 2, atol=1e-6)


def test_subset():
    part = MADE.subset(np.array([1, 1, 0]))
    assert len(part) == 3
    np.testing.assert_array_equal(part.text, MADE.text[[1, 1, 0]])
    np.testing.assert_array_equal(part.image, MADE.image[[1, 1, 0]])


def test_a_row_of_zeros_stays():
    np.testing.assert_array_equal(unit_norm(np.zeros((1, 3), dtype=np.float32)), np.zeros((1, 3)))

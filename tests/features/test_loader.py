import hashlib

import numpy as np
import pytest
import torch

from arms.errors import ArmsError
from arms.features.arrays import Ragged
from arms.features.loader import Features, Queries, gather_queries
from arms.features.pooled import Embeddings


@pytest.fixture
def features():
    """Three images with pooled embeddings and token states, four texts of one to four tokens."""
    images = Features(
        {
            "pooled": np.arange(6, dtype=np.float32).reshape(3, 2),
            "tokens": np.arange(24, dtype=np.float16).reshape(3, 4, 2),
        },
        {"a": 0, "b": 1, "c": 2},
    )
    texts = Features(
        {"token_ids": Ragged.join([np.arange(10 * n, 10 * n + n, dtype=np.int32) for n in range(1, 5)])},
        {"w": 0, "x": 1, "y": 2, "z": 3},
    )
    return images, texts


def test_take(features):
    images, texts = features
    batch = images.take(np.array([2, 0]))
    assert {name: tensor.dtype for name, tensor in batch.items()} == {"pooled": torch.float32, "tokens": torch.float16}
    assert batch["pooled"].tolist() == [[4, 5], [0, 1]]
    assert batch["tokens"][0].tolist() == [[16, 17], [18, 19], [20, 21], [22, 23]]
    batch = texts.take(np.array([1, 0, 2]))
    assert batch["token_ids"].tolist() == [[20, 21, 0], [10, 0, 0], [30, 31, 32]]
    assert batch["mask"].tolist() == [[True, True, False], [True, False, False], [True, True, True]]


def test_a_batch_is_a_copy(features):
    images, _ = features
    images.take(np.array([0, 1, 2]))["pooled"].zero_()
    assert images.arrays["pooled"].sum() == 15


def test_rows(features):
    images, _ = features
    assert images.rows(["c", "a", "c"]).tolist() == [2, 0, 2]
    assert images.rows([]).dtype == np.int64
    with pytest.raises(ArmsError, match="2 of 3 keys have no features, such as q; run: dvc repro encode"):
        images.rows(["a", "q", "r"])


def made_queries(features):
    ids, image_keys, text_keys = ["q0", "q1", "q2", "q3", "q4"], ["b", "a", "b", "c", "b"], ["z", "w", "z", "z", "x"]
    return gather_queries(ids, image_keys, text_keys, *features)


@pytest.mark.parametrize("empty", ["", hashlib.sha256(b"").hexdigest()])
def test_forms(features, empty):
    images, texts = features
    texts = Features(texts.arrays, {empty: 0, "x": 1, "y": 2, "z": 3})
    image_keys, text_keys = ["b", [], ["a", "b"], "c", ["a", "c"]], ["x", "y", "z", empty, empty]
    queries = gather_queries(list("01234"), image_keys, text_keys, images, texts)
    expected = ["one image", "no image", "several images", "no question", "no question"]
    assert queries.forms.tolist() == expected
    assert queries.subset(np.array([4, 0])).load().forms.tolist() == ["no question", "one image"]


def test_a_batch_holds_each_image_and_question_once_and_reproduces_them(features):
    queries = made_queries(features)
    images, texts = features
    index = np.array([4, 0, 2, 1, 0])
    batch = queries.batch(index)
    assert (len(batch.images["pooled"]), len(batch.questions["mask"])) == (2, 3)
    expected = images.take(images.rows(["b", "b", "b", "a", "b"]))
    for name, value in expected.items():
        assert torch.equal(batch.images[name][batch.image_NP[:, 0]], value)
    expected = texts.take(texts.rows(["x", "z", "z", "w", "z"]))
    for name, value in expected.items():
        assert torch.equal(batch.questions[name][batch.question_N], value)
    assert batch.image_NP.dtype == batch.question_N.dtype == torch.int64


def test_subset(features):
    queries = made_queries(features)
    part = queries.subset(np.array([3, 1]))
    assert (len(part), part.ids, part.embeddings) == (2, ("q3", "q1"), None)
    assert (part.first_images.tolist(), part.text_rows.tolist()) == ([2, 0], [3, 0])
    made = Embeddings(np.arange(10.0).reshape(5, 2), np.arange(5.0).reshape(5, 1))
    embedded = Queries(**{**vars(queries), "embeddings": made})
    some = embedded.subset(np.array([3, 1])).embeddings
    assert (some.text.tolist(), some.image.tolist()) == ([[6, 7], [2, 3]], [[3], [1]])
    assert len(embedded.subset(np.array([], dtype=np.int64))) == 0


def test_gathering_needs_features_for_every_key(features):
    with pytest.raises(ArmsError, match="1 of 1 keys have no features, such as v"):
        gather_queries(["q"], ["a"], ["v"], *features)


def mixed_queries(features):
    """Queries of one, two, no, three and (again) no images."""
    ids, text_keys = ["q0", "q1", "q2", "q3", "q4"], ["z", "w", "z", "z", "x"]
    return gather_queries(ids, ["b", ["c", "b"], [], ("a", "c", "a"), ()], text_keys, *features)


def test_rows_of_images_are_padded(features):
    queries = mixed_queries(features)
    assert queries.image_rows.tolist() == [[1, -1, -1], [2, 1, -1], [-1, -1, -1], [0, 2, 0], [-1, -1, -1]]
    assert queries.image_rows.dtype == np.int64
    assert queries.first_images.tolist() == [1, 2, -1, 0, -1]
    part = queries.subset(np.array([2, 1]))
    assert part.image_rows.tolist() == [[-1, -1, -1], [2, 1, -1]]
    with pytest.raises(ArmsError, match="1 of 3 keys have no features, such as v"):
        gather_queries(["q", "r"], [["a", "v"], ["b"]], ["w", "w"], *features)


def test_one_image_each_may_be_given_as_one_row_each(features):
    images, texts = features
    queries = Queries(("q", "r"), images, texts, np.array([2, 0]), np.array([0, 1]))
    assert queries.image_rows.tolist() == [[2], [0]]
    assert queries.subset(np.array([1])).image_rows.tolist() == [[0]]


@pytest.mark.parametrize(
    ("index", "places", "has_blank"),
    [
        ([0], [[0]], False),
        ([2, 4], [[-1], [-1]], True),
        ([1, 0], [[1, 0], [0, -1]], False),
        ([0, 2, 1, 0], [[0, -1], [-1, -1], [1, 0], [0, -1]], True),
        ([3, 2], [[0, 1, 0], [-1, -1, -1]], True),
    ],
)
def test_a_batch_is_as_wide_as_its_queries_have_images(features, index, places, has_blank):
    queries = mixed_queries(features)
    batch = queries.batch(np.array(index))
    assert batch.image_NP.tolist() == places
    assert (batch.image_NP.dtype, batch.has_blank) == (torch.int64, has_blank)
    distinct = sorted({row for at in index for row in queries.image_rows[at].tolist() if row >= 0})
    assert batch.images.keys() == (set(features[0].arrays) if distinct else set())
    for name, value in batch.images.items():
        assert value.tolist() == features[0].arrays[name][distinct].tolist()


def test_queries_without_any_image_need_no_features_of_images(features):
    queries = gather_queries(["q", "r", "s"], [[], [], []], ["z", "w", "z"], Features({}, {}), features[1])
    assert (queries.image_rows.tolist(), queries.in_memory) == ([[-1], [-1], [-1]], True)
    assert queries.batch(np.array([1, 2])).images == {}
    windows = queries.windows(1)
    assert sorted(np.concatenate(windows)) == [0, 1, 2]
    assert [len(window) for window in windows] == [1, 1, 1], "nothing keeps them together"
    assert queries.load().image_rows.tolist() == [[-1], [-1], [-1]]

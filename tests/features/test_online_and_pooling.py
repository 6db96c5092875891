import numpy as np
import pytest
import torch

from arms.features.online import encode_queries, encode_texts
from arms.features.pooling import add_embeddings
from arms.features.trunk import run_trunk
from tests.fakes import CPU, QUESTIONS, make_encoders, make_queries


@pytest.mark.parametrize("tunable_layers", [0, 1, "all"])
def test_queries_encoded_on_the_spot(tunable_layers):
    made = make_queries(6)
    questions = [QUESTIONS[0], QUESTIONS[1], QUESTIONS[0], QUESTIONS[2], QUESTIONS[1], QUESTIONS[0]]
    encoders = make_encoders(image={"tunable_layers": tunable_layers}, text={"tunable_layers": tunable_layers})
    queries = encode_queries(encoders, made.pictures, questions, CPU)
    assert queries.ids == ("0", "1", "2", "3", "4", "5")
    assert queries.first_images.tolist() == [0, 1, 2, 3, 4, 5]
    assert queries.text_rows.tolist() == [0, 1, 0, 2, 1, 0]
    batch = queries.batch(np.arange(6))
    assert set(batch.images) == set(encoders.image.crossing)
    assert set(batch.questions) == {*encoders.text.crossing, *(("mask",) if tunable_layers != 0 else ())}
    for i in range(6):
        alone = run_trunk(encoders.image, [encoders.image.read(made.pictures[i])], CPU)
        for name, array in alone.items():
            np.testing.assert_allclose(batch.images[name][i], array[0], atol=2e-3)


def test_texts_by_themselves():
    encoders = make_encoders(text={"tunable_layers": "all"})
    features = encode_texts(encoders, list(QUESTIONS[:2]), CPU)
    assert features.row_of == {QUESTIONS[0]: 0, QUESTIONS[1]: 1}
    ids = features.take(features.rows([QUESTIONS[1]]))["token_ids"][0]
    assert ids.tolist() == encoders.text.tokenize([QUESTIONS[1]])[0].tolist()


def test_embeddings():
    made = make_queries(10)
    encoders = make_encoders(image={"tunable_layers": 1}, text={"tunable_layers": "all"})
    queries = made.encode(encoders)
    encoders.text.tail.train()  # dropout must be off
    embedded = add_embeddings(queries, encoders, batch_size=3, device=CPU)
    assert queries.embeddings is None
    text_ND, image_ND = embedded.embeddings.text, embedded.embeddings.image
    assert (text_ND.shape, image_ND.shape) == ((10, 8), (10, 8))
    assert (text_ND.dtype, image_ND.dtype) == (np.float32, np.float32)
    batch = queries.batch(np.arange(10))
    with torch.inference_mode():
        pooled = encoders.text.tail(batch.questions)["pooled"][batch.question_N]
    np.testing.assert_allclose(text_ND, pooled, atol=1e-5)
    again = add_embeddings(queries.subset(np.array([7, 2])), encoders, batch_size=64, device=CPU)
    np.testing.assert_allclose(again.embeddings.text, text_ND[[7, 2]], atol=1e-5)
    np.testing.assert_allclose(again.embeddings.image, image_ND[[7, 2]], atol=1e-5)
    none = add_embeddings(queries.subset(np.array([], dtype=np.int64)), encoders, batch_size=3, device=CPU)
    assert (none.embeddings.text.shape, none.embeddings.image.shape) == ((0, 8), (0, 8))


def test_the_embedding_of_several_images_is_their_mean_and_of_none_zeros():
    made, encoders = make_queries(4), make_encoders(image={"tunable_layers": 1})
    a, b, c, d = made.pictures
    lists = [[a], [b, c], [], [d, d], [c, a, b]]
    queries = encode_queries(encoders, lists, [QUESTIONS[0]] * 4 + [""], CPU)
    embeddings = add_embeddings(queries, encoders, batch_size=2, device=CPU).embeddings
    alone = add_embeddings(made.encode(encoders), encoders, batch_size=2, device=CPU).embeddings.image
    expected = [alone[0], alone[[1, 2]].mean(axis=0), np.zeros(8), alone[3], alone[:3].mean(axis=0)]
    np.testing.assert_allclose(embeddings.image, expected, atol=1e-5)
    assert embeddings.image.dtype == np.float32
    assert embeddings.has_image.tolist() == [True, True, False, True, True]
    assert np.array_equal(embeddings.text[0], embeddings.text[2])
    for kind in ("image", "text", "concat", "normalised"):
        assert np.isfinite(embeddings.matrix(kind)).all()


def test_a_picture_that_several_queries_have_is_encoded_once():
    made, encoders = make_queries(3), make_encoders()
    a, b, _ = made.pictures
    queries = encode_queries(encoders, [[a, b], b, [], [a]], ["", "x", "y", "z"], CPU)
    assert queries.image_rows.tolist() == [[0, 1], [1, -1], [-1, -1], [0, -1]]
    assert len(queries.images.row_of) == 2


def test_without_any_image_none_is_encoded():
    encoders = make_encoders()
    queries = encode_queries(encoders, [[], []], ["How many?", "Why?"], CPU)
    assert (queries.images.arrays, queries.image_rows.tolist()) == ({}, [[-1], [-1]])
    embedded = add_embeddings(queries, encoders, batch_size=2, device=CPU).embeddings
    assert embedded.image.tolist() == [[0] * 8] * 2


def test_of_too_many_images_the_first_are_read_and_one_warning_says_so(caplog):
    made, encoders = make_queries(5), make_encoders(image={"max_images": 2})
    lists = [made.pictures, made.pictures[:2], [], made.pictures[1:4]]
    with caplog.at_level("WARNING", logger="arms"):
        queries = encode_queries(encoders, lists, ["a", "b", "c", "d"], CPU)
    assert [record.getMessage() for record in caplog.records] == [
        "2 of 4 queries have more than 2 images; the first 2 are read"
    ]
    assert queries.image_rows.tolist() == [[0, 1], [0, 1], [-1, -1], [1, 2]]

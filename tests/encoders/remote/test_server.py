"""Asking a server: requests and their order, what is asked again, and each error by its message."""

import logging
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import numpy as np
import pytest

from arms.encoders.remote.server import EmbeddingServer
from arms.errors import ArmsError
from arms.params.encoders import ServerParams
from arms.params.section import check
from tests.encoders.remote.fake_server import KEY, Reply
from tests.encoders.remote.served import server_settings

TEXTS = [f"How many dots are in picture {number}?" for number in range(10)]


def server_params(fake, **changes):
    return ServerParams(**server_settings(fake, **changes))


def connect(fake, dimensions=None, model="hash-8", **changes):
    return EmbeddingServer(server_params(fake, **changes), model, dimensions)


def expected(fake, texts=TEXTS):
    return np.stack([fake.vector(text) for text in texts])


@pytest.mark.parametrize("encoding", ["base64", "float"])
def test_vectors_come_in_the_order_of_the_texts(fake, encoding):
    got = connect(fake, encoding=encoding).embed(TEXTS)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, expected(fake))
    assert [request["input"] for request in fake.requests] == [TEXTS[:4], TEXTS[4:8], TEXTS[8:]]
    assert {request["encoding_format"] for request in fake.requests} == {encoding}


def test_an_answer_in_another_order_is_sorted_by_index(fake):
    fake.replies = [Reply(change=lambda answer: {**answer, "data": answer["data"][::-1]})] * 3
    np.testing.assert_array_equal(connect(fake).embed(TEXTS), expected(fake))


def test_dimensions_are_asked_for_only_where_they_are_set(fake):
    assert connect(fake, dimensions=3).embed(TEXTS[:2]).shape == (2, 3)
    connect(fake).embed(TEXTS[:2])
    assert [request.get("dimensions") for request in fake.requests] == [3, None]


def test_long_texts_are_sent_in_requests_of_their_own(fake):
    texts = ["x" * 150_000, "y" * 150_000, "short", "z" * 300_000]
    np.testing.assert_array_equal(connect(fake).embed(texts), expected(fake, texts))
    assert [[len(text) for text in request["input"]] for request in fake.requests] == [
        [150_000],
        [150_000, 5],
        [300_000],
    ]


def test_a_server_that_asks_for_no_key_is_sent_none(fake, monkeypatch):
    monkeypatch.delenv("ARMS_TEST_KEY")
    fake.key = None
    np.testing.assert_array_equal(connect(fake, key_env=None).embed(TEXTS[:1]), expected(fake, TEXTS[:1]))


# --- what is asked again -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 529])
def test_a_busy_or_broken_server_is_asked_again(fake, waits, status):
    fake.replies = [Reply(status, {"error": {"message": "overloaded"}})] * 3
    np.testing.assert_array_equal(connect(fake).embed(TEXTS[:3]), expected(fake, TEXTS[:3]))
    assert len(fake.requests) == 4
    assert len(waits) == 3
    assert all(0 <= wait <= 4 for wait in waits)
    assert len(set(waits)) == 3, "the waits are random, so that many clients do not come back at once"


def test_a_batch_that_failed_is_asked_again_and_the_others_are_not(fake, waits):
    fake.replies = [Reply(), Reply(500, {"error": {"message": "oops"}})]
    np.testing.assert_array_equal(connect(fake).embed(TEXTS), expected(fake))
    assert [len(request["input"]) for request in fake.requests] == [4, 4, 4, 2]


def test_retry_after_is_kept_to(fake, waits):
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    past = format_datetime(datetime.now(UTC) - timedelta(seconds=30), usegmt=True)
    headers = [{"Retry-After": value} for value in ("7", date, past)]
    fake.replies = [Reply(429, {"error": {"message": "slow down"}}, of) for of in headers]
    connect(fake).embed(TEXTS[:1])
    assert 7 <= waits[0] <= 8
    assert 28 <= waits[1] <= 31
    assert 0 <= waits[2] <= 1


def test_a_retry_after_that_cannot_be_read_is_as_none(fake, waits):
    fake.replies = [Reply(429, {"error": {"message": "slow down"}}, {"Retry-After": "soon"})]
    connect(fake).embed(TEXTS[:1])
    assert len(waits) == 1


def test_a_long_retry_after_ends_the_run(fake, waits):
    fake.replies = [Reply(429, {"error": {"message": "daily limit"}}, {"Retry-After": "3600"})]
    with pytest.raises(ArmsError, match=r"it answered 429 and asks to wait 3600 s: daily limit; run the same again"):
        connect(fake).embed(TEXTS[:1])
    assert waits == []


def test_a_server_that_is_slow_once_is_asked_again(fake, waits):
    fake.replies = [Reply(wait_s=0.5)]
    np.testing.assert_array_equal(connect(fake, timeout_s=0.1).embed(TEXTS[:1]), expected(fake, TEXTS[:1]))
    assert len(waits) == 1


def test_a_server_that_stays_slow_is_named(fake, waits):
    fake.replies = [Reply(wait_s=0.3)] * 3
    message = r"no answer within 0.05 s \(server.timeout_s\), 2 times in a row \(server.retries\); run the same again"
    with pytest.raises(ArmsError, match=message):
        connect(fake, timeout_s=0.05, retries=1).embed(TEXTS[:1])


def test_a_server_that_stays_busy_is_named_with_its_words(fake, waits):
    fake.replies = [Reply(503, {"error": {"message": "model is loading"}})] * 9
    with pytest.raises(ArmsError, match=r"/v1/embeddings, model 'hash-8': it answered 503: model is loading, 4 times"):
        connect(fake).embed(TEXTS[:1])
    assert len(waits) == 3


def test_one_that_cannot_be_reached_is_named(fake, waits):
    unused = fake.url.replace("127.0.0.1", "127.0.0.9")
    with pytest.raises(ArmsError, match=r"it cannot be reached \(.*refused.*\), 3 times in a row"):
        connect(fake, url=unused, retries=2).embed(TEXTS[:1])
    assert len(waits) == 2


def test_no_retries_means_one_try(fake, waits):
    fake.replies = [Reply(500, b"<html>broken</html>")]
    with pytest.raises(ArmsError, match=r"it answered 500: <html>broken</html>, once \(server"):
        connect(fake, retries=0).embed(TEXTS[:1])


# --- what is not -------------------------------------------------------------------------------------------------


def refused(fake, match, **changes):
    """The text of the error; nothing was asked again, and the key is nowhere in it."""
    with pytest.raises(ArmsError, match=match) as caught:
        connect(fake, **changes).embed(TEXTS[:2])
    error: BaseException | None = caught.value
    while error is not None:
        assert KEY not in f"{error!r}"
        error = error.__cause__
    return str(caught.value)


def test_no_key(fake, monkeypatch):
    monkeypatch.delenv("ARMS_TEST_KEY")
    refused(fake, r"expected its key in the environment variable ARMS_TEST_KEY, which is not set")
    assert fake.requests == []


@pytest.mark.parametrize("key", [f"{KEY}\n{KEY}", f"{KEY} {KEY}", f"{KEY}\N{ZERO WIDTH SPACE}x", f"{KEY}é"])
def test_a_key_that_no_header_can_hold(fake, monkeypatch, key):
    monkeypatch.setenv("ARMS_TEST_KEY", key)
    refused(fake, r"the key in ARMS_TEST_KEY has characters that no key has; set it again")


def test_a_wrong_key(fake, monkeypatch, waits):
    monkeypatch.setenv("ARMS_TEST_KEY", "sk-wrong")
    text = refused(fake, r"it refused with 401: the key in ARMS_TEST_KEY is not accepted; set the right key")
    assert "sk-wrong" not in text
    assert waits == []


def test_a_key_where_none_is_named(fake):
    refused(fake, r"it refused with 401: server.key_env names no key; set", key_env=None)


def test_a_server_that_repeats_the_key_is_not_quoted_with_it(fake, caplog):
    caplog.set_level(logging.DEBUG)
    fake.replies = [Reply(400, {"error": {"message": f"{'x' * 190} you sent Bearer {KEY}"}})]
    assert "sk-" not in refused(fake, r"it refused with 400: xxx")
    fake.replies = [Reply(418, {"error": {"message": f"you sent Bearer {KEY}"}})]
    refused(fake, r"it refused with 418: you sent Bearer \*\*\*")
    assert KEY not in caplog.text


def test_an_unknown_model(fake):
    refused(fake, r"404: The model `other` does not exist model_not_found; it knows no such model", model="other")


def test_another_path(fake):
    refused(fake, r"it answered 404: no such path: /embeddings; .* server.url should end", url=fake.url[:-3])


def test_an_account_without_credit(fake, waits):
    fake.replies = [Reply(429, {"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}})]
    refused(fake, r"it refused with 429: You exceeded your quota insufficient_quota")
    assert waits == []


def test_a_redirect_is_not_followed(fake):
    fake.replies = [Reply(307, {}, {"Location": "http://127.0.0.1:1/v1/embeddings"})]
    refused(fake, r"it answered 307, and redirects are not followed; correct server.url")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda answer: {**answer, "data": answer["data"][:1]}, r"expected 2 vectors, one for each text, got 1"),
        (lambda answer: {**answer, "data": answer["data"] * 2}, r"expected 2 vectors, one for each text, got 4"),
        (lambda answer: {**answer, "data": answer["data"][:1] * 2}, r"each index from 0 to 1 once, got \[0, 0\]"),
        (lambda answer: {**answer, "data": [{"embedding": [1.0]}] * 2}, r"got \[None, None\]"),
        (lambda answer: {"object": "list"}, r"""JSON with a list `data` of objects, got '{"object": "list"}'; is"""),
        (lambda answer: {"data": [1, 2]}, r"expected JSON with a list `data` of objects"),
        (lambda answer: [answer], r"expected JSON with a list `data` of objects"),
    ],
)
def test_an_answer_of_another_shape(fake, change, match):
    fake.replies = [Reply(change=change)]
    refused(fake, match)


def with_embeddings(*embeddings):
    return {"data": [{"index": index, "embedding": embedding} for index, embedding in enumerate(embeddings)]}


@pytest.mark.parametrize(
    ("embeddings", "match"),
    [
        (([1.0, 2.0], [1.0, float("nan")]), r"expected finite numbers, got NaN or infinity"),
        (([1.0, 2.0], [1.0, 1e39]), r"expected finite numbers, got NaN or infinity"),
        (([1.0, 2.0], [1.0]), r"expected vectors of one width, got widths \[1, 2\]"),
        (([], []), r"expected vectors of one width, got widths \[0\]"),
        (([1.0, 2.0], [1.0, None]), r"expected finite numbers, got NaN or infinity"),
        (([1.0, 2.0], [1.0, "x"]), r"expected a list of numbers or base64 of float32, got"),
        (([1.0, 2.0], [[1.0], [2.0]]), r"expected a list of numbers or base64 of float32, got"),
        (([1.0, 2.0], None), r"expected a list of numbers or base64 of float32, got a NoneType"),
        (("AACAPw==", "AACAP"), r"expected a list of numbers or base64 of float32, got"),
        (("AACAPw==", "AACA"), r"expected a list of numbers or base64 of float32, got"),
        (("AACAPw==", "\u00e9"), r"expected a list of numbers or base64 of float32, got"),
    ],
)
def test_vectors_that_cannot_be_used(fake, embeddings, match):
    fake.replies = [Reply(body=with_embeddings(*embeddings))]
    refused(fake, match)


def test_a_page_instead_of_json(fake):
    fake.replies = [Reply(body=b"<html>Sign in</html>")]
    refused(fake, r"expected JSON with a list `data` of objects, got '<html>Sign in</html>'; is server.url the address")


def test_requests_that_answer_in_two_widths(fake):
    fake.replies = [Reply(), Reply(body=with_embeddings([1.0]))]
    with pytest.raises(ArmsError, match=r"expected vectors of one width, got widths \[1, 8\]"):
        connect(fake).embed(TEXTS[:5])


@pytest.mark.parametrize(
    ("url", "match"),
    [
        ("localhost:8000/v1", r"expected an address such as https://api.openai.com/v1, got 'localhost:8000/v1'"),
        ("ftp://host/v1", r"expected an address such as"),
        ("https://host/v1?key=1", r"expected an address such as"),
        ("https:///v1", r"expected an address such as"),
        ("https://host:abc/v1", r"Port could not be cast"),
        ("https://me:secret@host/v1", r"expected an address without a name or password; server.key_env names"),
    ],
)
def test_addresses(fake, url, match):
    settings = {**server_params(fake).model_dump(), "url": url}
    with pytest.raises(ArmsError, match=match) as caught:
        check(ServerParams, settings, "server")
    assert "secret" not in str(caught.value)


def test_a_forked_process_makes_a_connection_of_its_own(fake, monkeypatch):
    server = connect(fake)
    server.embed(TEXTS[:1])
    first = server._connected()
    assert server._connected() is first
    monkeypatch.setattr("os.getpid", lambda: -1)
    assert server._connected() is not first

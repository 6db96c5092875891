"""A server's model as a text encoder: tokens, features, fingerprint, and settings that go with it."""

import copy

import numpy as np
import pytest
import torch
from joblib import Parallel, delayed

from arms.encoders.remote.known import asks_server, know_texts
from arms.encoders.text import build_text_encoder
from arms.encoders.texts.openai_server import bytes_tokenizer, text_of
from arms.errors import ArmsError
from arms.features.online import encode_texts
from arms.params.encoders import EncodersParams
from arms.params.section import check
from tests.encoders.remote.fake_server import WIDTH, fake_server
from tests.encoders.remote.served import PROBE, make_pair, pair_params, pair_settings
from tests.encoders.remote.test_server import TEXTS, expected
from tests.fakes import CPU, make_encoders

STRANGE = ["é ü ß", "数える 🙂", " two  spaces ", "line\nbreak\ttab\0nul", "[CLS] <s> </s>", "क्या"]


def pooled(pair, texts):
    return encode_texts(pair, texts, CPU).arrays["pooled"]


@pytest.mark.parametrize("text", STRANGE)
def test_tokens_are_the_bytes_of_a_text(text):
    (encoding,) = bytes_tokenizer().encode_batch([text])
    assert bytes(encoding.ids) == text.encode()
    assert text_of(np.array(encoding.ids, dtype=np.int32)) == text


def test_every_byte_is_its_own_token():
    tokenizer = bytes_tokenizer()
    assert sorted(tokenizer.get_vocab().values()) == list(range(256))


def test_features_are_the_server_s_vectors_of_the_texts_as_they_are(fake):
    pair = make_pair(fake)
    np.testing.assert_array_equal(pooled(pair, [*TEXTS, *STRANGE]), expected(fake, [*TEXTS, *STRANGE]))
    assert fake.texts[0] == PROBE
    assert sorted(fake.texts[1:]) == sorted([*TEXTS, *STRANGE])
    assert pair.text.width == WIDTH
    assert pair.text.crossing == ("pooled",)


def test_a_lone_surrogate_is_sent_as_the_replacement_character(fake):
    pooled(make_pair(fake), ["a\ud83db"])
    assert fake.texts[1:] == ["a�b"]


def test_of_a_long_text_the_middle_is_left_out(fake, caplog):
    pooled(make_pair(fake, max_tokens=10), ["0123456789ABCDEF", "xéééééé"])
    assert fake.texts[1:] == ["01234BCDEF", "xéééé"], "a character that was cut in two is left out"
    assert "2 of 2 texts are longer than max_tokens (10)" in caplog.text


def test_a_prompt_stands_before_each_text(fake):
    np.testing.assert_array_equal(
        pooled(make_pair(fake, prompt="query: "), TEXTS[:2]), expected(fake, [f"query: {text}" for text in TEXTS[:2]])
    )


def test_vectors_can_be_scaled(fake, monkeypatch):
    monkeypatch.setattr(fake, "vector", lambda text, plain=fake.vector: 3 * plain(text))
    got = pooled(make_pair(fake, normalise=True), [*TEXTS, ""])
    np.testing.assert_allclose(np.linalg.norm(got, axis=1), [*[1.0] * len(TEXTS), 0.0], rtol=1e-6)


def test_the_fingerprint_knows_the_model_and_not_where_it_is(fake):
    with fake_server() as other:
        fingerprints = [make_pair(one).text.fingerprint for one in (fake, other)]
        assert fingerprints[0] == fingerprints[1]
        assert other.url not in str(fingerprints[1])
        other.version = "2"
        assert make_pair(other).text.fingerprint != fingerprints[0]
        other.version, other.model = "1", "hash-9"
        assert make_pair(other).text.fingerprint != fingerprints[0]
    for changes in ({"dimensions": 8}, {"prompt": "query: "}, {"normalise": True}, {"max_tokens": 100}):
        assert make_pair(fake, **changes).text.fingerprint != fingerprints[0], changes
    assert fake.texts == [], "building asks nothing"


def test_encoders_of_one_model_share_what_is_known(fake):
    first, second = make_pair(fake), make_pair(fake)
    assert asks_server(first.text)
    assert not asks_server(make_encoders().text)
    vectors = np.arange(2 * WIDTH, dtype=np.float32).reshape(2, WIDTH)
    know_texts(first.text, TEXTS[:2], vectors)
    np.testing.assert_array_equal(pooled(copy.deepcopy(second), TEXTS[:2]), vectors)
    assert fake.texts == []


def test_in_a_process_that_is_handed_one(fake):
    """It takes along what is known, asks over a connection of its own, and checks the server as the first one does."""
    pair = make_pair(fake)
    pooled(pair, TEXTS[:1])
    vectors = np.arange(WIDTH, dtype=np.float32)[None]
    know_texts(pair.text, TEXTS[1:2], vectors)
    (there,) = Parallel(n_jobs=2)(delayed(pooled)(pair, TEXTS[1:3]) for _ in range(1))
    np.testing.assert_array_equal(there, [vectors[0], fake.vector(TEXTS[2])])
    assert fake.texts == [PROBE, TEXTS[0], TEXTS[2]]


def test_an_encoder_of_this_machine_is_left_as_it_is():
    encoders = make_encoders()
    before = encode_texts(encoders, TEXTS[:1], CPU).arrays["pooled"]
    know_texts(encoders.text, TEXTS[:1], np.zeros((1, 8), dtype=np.float32))
    np.testing.assert_array_equal(encode_texts(encoders, TEXTS[:1], CPU).arrays["pooled"], before)


def test_a_compiled_trunk_asks_the_server_too(fake):
    encoder = make_pair(fake).text
    ids = torch.tensor([list(b"Hello")], dtype=torch.int32)
    batch = {"token_ids": ids, "mask": torch.ones_like(ids, dtype=torch.bool)}
    compiled = torch.compile(encoder.trunk, backend="eager")
    np.testing.assert_array_equal(compiled(batch)["pooled"].numpy(), expected(fake, ["Hello"]))


def test_nan_from_the_server_is_named(fake, monkeypatch):
    pair = make_pair(fake)
    bad = np.full(WIDTH, np.nan, dtype=np.float32)
    monkeypatch.setattr(fake, "vector", lambda text, plain=fake.vector: plain(text) if text == PROBE else bad)
    with pytest.raises(ArmsError, match=r"model 'hash-8': expected finite numbers, got NaN or infinity"):
        pooled(pair, TEXTS[:1])


def test_layers_of_it_cannot_train(fake):
    with pytest.raises(ArmsError, match=r"text encoder openai/hash-8: the model of a server cannot be cut; set"):
        make_pair(fake, tunable_layers=1)


def test_libraries_that_are_not_there(fake, monkeypatch):
    monkeypatch.setattr("arms.encoders.texts.openai_server.find_spec", lambda name: None)
    with pytest.raises(ArmsError, match=r"httpx2, tenacity not installed; run: pip install 'arms\[remote\]'"):
        make_pair(fake)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"server": None}, r"served.yaml: server goes with text.library: openai, which needs it, and only with it"),
        ({"text.probe": None}, r"served.yaml.text: library openai: probe goes with openai, which needs it"),
        ({"text.precision": "auto"}, r"served.yaml.text: library openai goes with precision: float32, got 'auto'"),
        ({"text.pooling": "mean"}, r"served.yaml.text: library openai goes with a model, and with pooling: own"),
        ({"text.probe.text": ""}, r"served.yaml.text.probe.text: "),
        ({"text.probe.tolerance": 0.0}, r"served.yaml.text.probe.tolerance: expected greater than 0, got 0.0"),
        ({"text.library": "transformers", "text.pooling": "cls", "server": None}, r"probe goes with openai"),
        ({"server.key_env": "sk-123"}, r"served.yaml.server.key_env: "),
        ({"server.key": "sk-123"}, r"served.yaml.server: unknown key 'key'; known: url, key_env, encoding, batch_size"),
    ],
)
def test_settings_that_do_not_fit(fake, changes, match):
    settings = pair_settings(fake)
    for name, value in changes.items():
        *sections, key = name.split(".")
        section = settings
        for one in sections:
            section = section[one]
        section[key] = value
    with pytest.raises(ArmsError, match=match):
        check(EncodersParams, settings, "conf/encoders/served.yaml")


def test_a_router_names_a_server_and_the_settings_here_decide(fake):
    """With `download` false it is a saved router that names it."""
    params = pair_params(fake)
    with pytest.raises(ArmsError) as caught:
        build_text_encoder(params.text, tokenizer=None, seed=1, download=False, server=params.server)
    assert f"the router would send questions to {fake.url}, with the key in ARMS_TEST_KEY" in str(caught.value)
    assert "if you trust it, name it in a file under conf/encoders" in str(caught.value)
    make_pair(fake)
    elsewhere = params.server.model_copy(update={"url": "http://127.0.0.1:1/v1", "key_env": "HOME"})
    loaded = build_text_encoder(params.text, tokenizer=None, seed=1, download=False, server=elsewhere)
    assert loaded.trunk[0].server.server.params == params.server
    other = params.text.model_copy(update={"model": "other"})
    with pytest.raises(ArmsError, match=r"the router would send questions to http://127.0.0.1:1/v1"):
        build_text_encoder(other, tokenizer=None, seed=1, download=False, server=elsewhere)

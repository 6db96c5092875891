"""A server held to its pin: nothing of a server that changed is used, and known texts are not sent."""

import numpy as np
import pytest

from arms.encoders.remote import pinned as module
from arms.encoders.remote.pinned import PinnedServer
from arms.encoders.remote.probe import distance, read_pin, write_pin
from arms.errors import ArmsError
from arms.params.encoders import ProbeParams
from tests.encoders.remote.fake_server import WIDTH, Reply
from tests.encoders.remote.served import PROBE
from tests.encoders.remote.test_server import TEXTS, connect, expected


def pin(fake, tolerance=0.02, **changes):
    probe = ProbeParams(text=PROBE, vector=write_pin(fake.vector(PROBE)), tolerance=tolerance)
    return PinnedServer(connect(fake, **changes), probe)


def test_a_pin_is_the_vector_to_float16():
    vector = np.random.default_rng(0).normal(size=1536).astype(np.float32)
    assert distance(vector, read_pin(write_pin(vector))) < 5e-4
    assert len(write_pin(vector)) == 4096


@pytest.mark.parametrize("wrong", ["", "?", "AAA", "AAAA", "AHw=", write_pin(np.zeros(4))])
def test_what_is_no_pin(fake, wrong):
    with pytest.raises(ArmsError, match=r"text.probe.vector: expected base64 of float16 numbers, as a first"):
        PinnedServer(connect(fake), ProbeParams(text=PROBE, vector=wrong, tolerance=0.02))


def test_a_first_run_says_what_to_pin(fake):
    probe = ProbeParams(text=PROBE, vector=None, tolerance=0.02)
    with pytest.raises(ArmsError, match=r"is not pinned yet; write this line under text.probe, and run") as caught:
        PinnedServer(connect(fake), probe)
    printed = str(caught.value).rpartition("vector: ")[2]
    server = PinnedServer(connect(fake), probe.model_copy(update={"vector": printed}))
    assert server.width == WIDTH
    np.testing.assert_array_equal(server.embed(TEXTS[:2]), expected(fake, TEXTS[:2]))


def test_loading_asks_nothing_and_the_first_use_asks_for_the_probe_once(fake):
    server = pin(fake)
    assert fake.texts == []
    server.embed(TEXTS[:2])
    server.embed(TEXTS[2:3])
    assert fake.texts == [PROBE, *TEXTS[:3]]


def test_the_probe_is_asked_for_again_in_a_long_run(fake, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    server = pin(fake)
    for moment in (1000.0, 1599.0, 1601.0):
        now[0] = moment
        server.embed(TEXTS[:1])
    assert fake.texts == [PROBE, TEXTS[0], TEXTS[0], PROBE, TEXTS[0]]


def test_a_server_that_changed_its_model_is_an_error_and_gets_no_text(fake):
    server = pin(fake)
    fake.version = "2"
    with pytest.raises(ArmsError) as caught:
        server.embed(TEXTS)
    text = str(caught.value)
    assert "of its length away from the pinned one, more than text.probe.tolerance (0.02)" in text
    assert "now has another model behind this name (it calls it 'hash-8')" in text
    assert "set text.probe.vector to null in conf/encoders, run: dvc repro" in text
    assert fake.texts == [PROBE]


def test_a_change_of_scale_is_a_change(fake, monkeypatch):
    server = pin(fake)
    monkeypatch.setattr(fake, "vector", lambda text, plain=fake.vector: 1.05 * plain(text))
    with pytest.raises(ArmsError, match=r"its vector of the probe text is 0.05 of its length away"):
        server.embed(TEXTS)


@pytest.mark.parametrize(("noise", "fits"), [(0.005, True), (0.05, False)])
def test_rounding_is_no_change(fake, monkeypatch, noise, fits):
    server = pin(fake)
    step = np.eye(WIDTH, dtype=np.float32)[0] * noise
    monkeypatch.setattr(fake, "vector", lambda text, plain=fake.vector: plain(text) + step)
    if fits:
        assert server.embed(TEXTS[:1]).shape == (1, WIDTH)
    else:
        with pytest.raises(ArmsError, match=r"0\.0(5|499?) of its length away"):
            server.embed(TEXTS[:1])


@pytest.mark.parametrize("when", [0, 1])
def test_another_width_is_an_error_at_any_time(fake, when):
    server = pin(fake)
    fake.replies = [Reply() for _ in range(when)] + [Reply(body={"data": [{"index": 0, "embedding": [1.0, 2.0]}]})]
    with pytest.raises(ArmsError, match=r"expected vectors of width 8, as pinned, got width 2: the server now has"):
        server.embed(TEXTS[:1])


def test_a_text_is_sent_once_and_one_without_a_word_never(fake):
    texts = [TEXTS[0], "", TEXTS[1], " \n", TEXTS[0]]
    got = pin(fake).embed(texts)
    np.testing.assert_array_equal(got[[0, 2, 4]], expected(fake, [TEXTS[0], TEXTS[1], TEXTS[0]]))
    assert not got[[1, 3]].any()
    assert fake.texts == [PROBE, *TEXTS[:2]]


def test_known_texts_need_no_server(fake):
    server = pin(fake)
    known = np.arange(2 * WIDTH, dtype=np.float32).reshape(2, WIDTH)
    server.know(TEXTS[:2], known)
    np.testing.assert_array_equal(server.embed(TEXTS[:2][::-1]), known[::-1])
    assert fake.texts == []
    np.testing.assert_array_equal(server.embed(TEXTS[1:3]), np.stack([known[1], fake.vector(TEXTS[2])]))
    assert fake.texts == [PROBE, TEXTS[2]]

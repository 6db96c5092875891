import pytest

from arms.encoders.long_texts import describe_shortening, shorten_ids, shorten_text, shortening_of
from arms.encoders.text import build_text_encoder
from arms.errors import ArmsError
from tests.fakes import text_params, tiny_tokenizer

ASK = "how many dots are there ?"


def encoder_of(shortening="middle", **changes):
    return build_text_encoder(text_params(**changes), tokenizer=tiny_tokenizer(), seed=1, shortening=shortening)


@pytest.mark.parametrize(
    ("limit", "kept"), [(10, "0123456789"), (9, "012346789"[:5] + "6789"), (4, "0189"), (3, "019"), (1, "0")]
)
def test_the_middle_is_left_out(limit, kept):
    ids = shorten_ids(range(10), limit)
    assert ids.tolist() == [int(digit) for digit in kept]
    assert ids.dtype == "int32"


def test_both_ends_of_a_long_question_are_read():
    """Of real questions with a passage, the line that asks stood wholly beyond the limit in 260 of 2,017."""
    encoder = encoder_of(max_tokens=16)
    asked_last, asked_first = f"{'read the sign . ' * 60}{ASK}", f"{ASK} {'read the sign . ' * 60}"
    last, first = encoder.tokenize([asked_last, asked_first])
    (alone,) = encoder.tokenize([ASK])
    assert len(last) == len(first) == 16
    assert last[-7:].tolist() == alone[-7:].tolist(), "the end of the question, and [SEP]"
    assert first[:7].tolist() == alone[:7].tolist(), "[CLS], and the question"
    assert encoder_of("end", max_tokens=16).tokenize([asked_last])[0][-7:].tolist() != alone[-7:].tolist()


def test_short_texts_are_as_they_were():
    texts = [ASK, "", "read the sign"]
    middle, end = (encoder_of(shortening, max_tokens=16).tokenize(texts) for shortening in ("middle", "end"))
    assert [ids.tolist() for ids in middle] == [ids.tolist() for ids in end]


def test_a_text_of_millions_of_characters_takes_no_time():
    whole = f"{'how many dots ? ' * 700_000}{ASK}"
    text = shorten_text(whole, 16)
    assert len(text) == 2 * 16 * 64 + 1
    assert (whole.startswith(text[:1024]), whole.endswith(text[-1024:])) == (True, True)
    encoder = encoder_of(max_tokens=16)
    assert encoder.tokenize([whole])[0].tolist() == encoder.tokenize([whole[:800] + whole[-800:]])[0].tolist()
    assert shorten_text(whole[: 2 * 16 * 64], 16) == whole[: 2 * 16 * 64]


def test_fingerprints_tell():
    middle, end = (encoder_of(shortening).fingerprint for shortening in ("middle", "end"))
    assert (middle["shortening"], "shortening" in end) == ("middle 1", False)
    assert [shortening_of(one) for one in (middle, end)] == ["middle", "end"]
    assert [describe_shortening(shortening_of(one)) for one in (middle, end)] == [{"shortening": "middle 1"}, {}]
    with pytest.raises(ArmsError, match=r"expected long texts shortened as 'middle 1' or at the end, got 'middle 2'"):
        shortening_of(middle | {"shortening": "middle 2"})

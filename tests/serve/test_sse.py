"""Streams: events are found however they are cut, and only the outermost model changes."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arms.serve.sse import EventReader, TooLargeError, error_event, rename
from tests.serve.upstream import chunks


def renamed(stream, name, cuts=()):
    reader, out, last = EventReader(10_000), [], 0
    for cut in [*sorted(cuts), len(stream)]:
        out += [event.renamed(name) for event in reader.feed(stream[last:cut])]
        last = cut
    return b"".join([*out, *(event.renamed(name) for event in reader.end())])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'{"model":"a"}', b'{"model":"new"}'),
        (b'{ "x" : {"model":"a"}, "model" :\t"a" , "y":1.0 }', b'{ "x" : {"model":"a"}, "model" :\t"new" , "y":1.0 }'),
        (b'{"model":null}', b'{"model":"new"}'),
        (b'{"a":"\\"model\\":\\"b\\"","model":"c\\"d"}', b'{"a":"\\"model\\":\\"b\\"","model":"new"}'),
        (b'{"a":["model",{"model":"b"}],"b":"model"}', b'{"a":["model",{"model":"b"}],"b":"model"}'),
        (b'{"model":7}', b'{"model":7}'),
        (b"[DONE]", b"[DONE]"),
        (b'{"broken":"', b'{"broken":"'),
        (b"", b""),
    ],
)
def test_rename(before, after):
    assert rename(before, "new") == after


json_values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.just("model"), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), json_values, max_size=4), st.text(), json_values, st.booleans())
def test_rename_changes_nothing_else(head, model, tail, ascii_only):
    def written(model):
        content = head | {"model": model} | {"tail": tail}
        return json.dumps(content, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")

    assert rename(written(model), "new") == written("new")


@given(st.sets(st.integers(0, 900), max_size=12), st.sampled_from([b"\n", b"\r\n", b"\r"]))
def test_however_it_is_cut(cuts, line_end):
    sent = b"".join(chunks("there")).replace(b"\r\n", b"\n").replace(b"\n", line_end)
    expected = sent.replace(b'"model": "there"', b'"model": "served"').replace(
        b'"model" : "there"', b'"model" : "served"'
    )
    assert renamed(sent, "served", cuts) == expected


def test_events_come_as_soon_as_they_end():
    reader = EventReader(1000)
    assert reader.feed(b'data: {"a"') == []
    assert [event.data for event in reader.feed(b":1}\n\n: still there\n\nda")] == [b'{"a":1}', None]
    assert [event.raw for event in reader.feed(b"ta: 2\n\n")] == [b"data: 2\n\n"]
    assert reader.end() == []


def test_data_on_several_lines():
    raw = b'event: chunk\ndata: {"x":\ndata: 1, "model":\ndata: "a"}\n\n'
    (event,) = EventReader(1000).feed(raw)
    assert event.content() == {"x": 1, "model": "a"}


@pytest.mark.parametrize(
    ("data", "done", "finish", "error"),
    [
        (b"[DONE]", True, False, None),
        (b'{"choices":[{"finish_reason":"stop"}]}', False, True, None),
        (
            b'{"choices":[{"finish_reason":null,"delta":{"content":"\\"finish_reason\\":\\"stop\\""}}]}',
            False,
            False,
            None,
        ),
        (b'{"error":{"message":"no"}}', False, False, '{"message": "no"}'),
        (b'{"error":null}', False, False, None),
        (b'"error"', False, False, None),
    ],
)
def test_what_an_event_is(data, done, finish, error):
    (event,) = EventReader(1000).feed(b"data: " + data + b"\n\n")
    assert (event.is_done, event.is_finish, event.error) == (done, finish, error)


def test_an_event_without_end():
    reader = EventReader(100)
    with pytest.raises(TooLargeError, match="events of 100 bytes"):
        reader.feed(b"data: " + b"x" * 200)


def test_the_error_event_is_one():
    (event,) = EventReader(1000).feed(error_event({"error": {"message": "it broke\n\n"}}))
    assert event.content() == {"error": {"message": "it broke\n\n"}}

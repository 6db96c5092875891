"""Conversations: what is taken of them, and that a route of one is that of what was taken."""

import base64
import json
from io import BytesIO

import pytest
from PIL import Image

from arms.errors import ArmsError
from arms.routers.messages import image_addresses, read_messages
from arms.routers.router import Router
from tests.fakes import make_queries, make_router

MADE = make_queries(3)


def png(picture):
    file = BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


FILES = [png(picture) for picture in MADE.pictures]


def uri(number):
    return "data:image/png;base64," + base64.b64encode(FILES[number]).decode()


def image(number, flat=False):
    return {"type": "image_url", "image_url": uri(number) if flat else {"url": uri(number), "detail": "low"}}


def text(words, kind="text"):
    return {"type": kind, "text": words}


def user(*parts):
    return {"role": "user", "content": parts[0] if parts and isinstance(parts[0], str) else list(parts)}


def said(words):
    return {"role": "assistant", "content": words}


def read(*messages, context_tokens=0):
    return read_messages(messages, context_tokens=context_tokens)


class TestReading:
    def test_one_turn(self):
        asked = read({"role": "system", "content": "Be brief."}, user(text("What is"), image(0), text("this?")))
        assert (asked.question, asked.images, asked.images_turn) == ("What is\nthis?", (FILES[0],), 1)
        assert (asked.text, asked.context, asked.left_out) == ("What is\nthis?", "", ())

    def test_images_keep_their_order_and_both_ways_to_write_them(self):
        asked = read(user(image(1), image(0, flat=True), {"type": "input_image", "image_url": uri(2)}))
        assert (asked.question, asked.images) == ("", (FILES[1], FILES[0], FILES[2]))

    def test_the_latest_images_before_the_last_turn(self):
        turns = [user(image(0)), said("Dots."), user(text("And here?"), image(1)), said("Words."), user("Which ones?")]
        asked = read(*turns)
        assert (asked.question, asked.images, asked.images_turn) == ("Which ones?", (FILES[1],), 2)

    def test_own_images_come_before_earlier_ones(self):
        assert read(user(image(0)), said("Dots."), user(text("And?"), image(1))).images == (FILES[1],)

    def test_what_a_tool_drew(self):
        tool = {"role": "tool", "tool_call_id": "1", "content": [image(2)]}
        call = {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}
        assert read(user("Draw it."), call, tool, user("Is it right?")).images == (FILES[2],)

    def test_only_words(self):
        asked = read(user("Hello."))
        assert (asked.images, asked.images_turn) == ((), None)

    def test_a_conversation_that_ends_with_an_assistant(self):
        assert read(user("What is this?"), said("A dog.")).question == "What is this?"

    @pytest.mark.parametrize(
        ("tokens", "context"),
        [
            (0, ""),
            (2, "dots."),
            (4, "many blue dots."),
            (7, "Count.\nSo many blue dots."),
            (100, "Count.\nSo many blue dots."),
        ],
    )
    def test_earlier_text_within_the_budget(self, tokens, context):
        turns = [{"role": "system", "content": "Be brief."}, user("Count."), said("So many blue dots."), user("Sure?")]
        asked = read(*turns, context_tokens=tokens)
        assert (asked.context, asked.question) == (context, "Sure?")
        assert asked.text == (f"{context}\nSure?" if context else "Sure?")

    def test_what_no_router_reads_is_named_once(self):
        audio = {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}
        assert read(user(audio, text("What is said?"), audio, {"type": "file"})).left_out == ("input_audio", "file")

    @pytest.mark.parametrize(
        ("messages", "message"),
        [
            ("What is this?", "messages: expected a list of messages, got 'What is this"),
            ([], "expected a message of role user, got none"),
            ([said("Hello.")], "expected a message of role user, got assistant"),
            (["Hello."], r"messages\[0\]: expected a message with a role, one of system, .*, got 'Hello"),
            ([{"role": "robot", "content": ""}], r"messages\[0\]: expected a message with a role"),
            ([user("  ")], r"messages\[0\]: expected a question, an image or both, got neither"),
            ([{"role": "user", "content": 3}], r"messages\[0\]\.content: expected text or a list of parts, got 3"),
            ([user({"text": "x"})], r"messages\[0\]\.content\[0\]: expected a part with a type"),
            ([user(text(None))], r"content\[0\]: expected text, got None"),
            ([user({"type": "image_url"})], r"content\[0\]: expected image_url with a url, got None"),
            (
                [user({"type": "image_url", "image_url": {"url": "https://a.b/c.png"}})],
                "nothing is downloaded and no file",
            ),
            ([user({"type": "image_url", "image_url": {"url": "file:///etc/passwd"}})], "as a data URI with base64"),
            ([user({"type": "image_url", "image_url": {"url": "data:image/png,abc"}})], "as a data URI with base64"),
            (
                [user({"type": "image_url", "image_url": {"url": "data:image/png;base64,a*b"}})],
                "expected base64, got 'a",
            ),
        ],
    )
    def test_what_cannot_be_read(self, messages, message):
        with pytest.raises(ArmsError, match=message):
            read_messages(messages, context_tokens=0)


class TestAddresses:
    AT = "https://pictures.test/a.png"

    def linked(self):
        return {"type": "image_url", "image_url": {"url": self.AT}}

    def test_what_was_fetched_stands_in(self):
        turn = user(text("What is this?"), self.linked(), image(1))
        assert image_addresses([turn]) == (self.AT,)
        asked = read_messages([turn], context_tokens=0, fetched={self.AT: FILES[0]})
        assert asked.images == (FILES[0], FILES[1])

    def test_only_images_that_are_asked_about_are_needed(self):
        turns = [user(self.linked()), said("Dots."), user(image(1)), said("Words."), user("Which ones?")]
        assert image_addresses(turns) == ()
        assert read(*turns).images == (FILES[1],)


class TestRoute:
    def test_it_is_the_route_of_what_was_taken(self):
        router = Router(make_router(epochs=1))
        conversation = [user(text("What is this?"), image(0)), said("Dots."), user("How many dots?")]
        route = router.route(messages=conversation, context_tokens=0)
        assert route.ranking == router.route(Image.open(BytesIO(FILES[0])), "How many dots?").ranking
        assert route.asked.question == "How many dots?"
        assert json.loads(json.dumps(route.to_json()))["asked"]["images_turn"] == 0
        assert router.route(messages=conversation).asked.context == "What is this?\nDots."
        assert "asked" not in router.route((), "How many dots?").to_json()

    def test_not_beside_a_question(self):
        with pytest.raises(ArmsError, match="expected messages, or image and question, got both"):
            Router(make_router()).route((), "What?", messages=[user("What?")])

    def test_a_picture_that_is_none(self):
        broken = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGVsbG8="}}
        with pytest.raises(ArmsError, match="the image is of no known format"):
            Router(make_router()).route(messages=[user(text("What?"), broken)])

"""What a conversation asks: the last user turn, its images or the latest ones before it, and some of the earlier text.

Conversations are lists of messages as OpenAI's chat completions take them: each has a role, and a content that is a
text or a list of parts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from arms.data.data_uris import decode_text, is_data_uri
from arms.errors import ArmsError
from arms.params.costs import STANDARD_COSTS

ROLES = ("system", "developer", "user", "assistant", "tool", "function")
_TEXTS, _IMAGES = ("text", "input_text", "output_text", "refusal"), ("image_url", "input_image")
_SEPARATOR = "\n"
CONTEXT_TOKENS = 32


@dataclass(frozen=True)
class Asked:
    """What was taken of a conversation.

    Attributes
    ----------
    question : str
        The text of the last user turn; empty if it has images only.
    images : tuple of bytes
        The images asked about, as files, in their order.
    images_turn : int or None
        Which message they are from, from 0; None without any.
    context : str
        The end of the text before that turn, within the budget; what a router reads is this, then the question.
    left_out : tuple of str
        The kinds of parts that no router reads, such as input_audio, each once.
    """

    question: str
    images: tuple[bytes, ...]
    images_turn: int | None
    context: str
    left_out: tuple[str, ...]

    @property
    def text(self) -> str:
        """What a router reads: the context, then the question."""
        return _SEPARATOR.join(part for part in (self.context, self.question) if part)

    def to_json(self) -> dict[str, Any]:
        """What JSON can hold: the images by their number."""
        return {
            "question": self.question,
            "images": len(self.images),
            "images_turn": self.images_turn,
            "context": self.context,
            "left_out": list(self.left_out),
        }


@dataclass(frozen=True)
class _Turn:
    role: str
    text: str
    images: tuple[tuple[str, str], ...]  # where each stands, and its address
    others: tuple[str, ...]


_NOTHING: Mapping[str, bytes] = {}


def read_messages(
    messages: Sequence[Mapping[str, Any]], *, context_tokens: int, fetched: Mapping[str, bytes] = _NOTHING
) -> Asked:
    """What a conversation asks.

    Parameters
    ----------
    messages : sequence of mapping
        With role and content. An image is a data URI with base64: nothing is downloaded, and no file is opened. Only
        those that are asked about are decoded.
    context_tokens : int
        So many tokens of user's and assistants' text before the last user turn are read too, the latest ones; a token
        counts as four characters. System prompts and what tools gave are not read.
    fetched : mapping from str to bytes, optional
        The files of images that stand there by an address on the web, as the caller has downloaded them; see
        `image_addresses`.

    Raises
    ------
    ArmsError
        If these are no such messages, none of them is a user's, the last user turn asks nothing and no image comes
        before it, or an image is no data URI and was not fetched.
    """
    turns, last, asked_of = _turns(messages)
    images = () if asked_of is None else turns[asked_of].images
    return Asked(
        turns[last].text.strip(),
        tuple(_image_of(address, at, fetched) for at, address in images),
        asked_of,
        _context(turns[:last], context_tokens),
        tuple(dict.fromkeys(kind for turn in turns for kind in turn.others)),
    )


def image_addresses(messages: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """The addresses of the images that are asked about, but for data URIs; raises as `read_messages` does."""
    turns, _, asked_of = _turns(messages)
    images = () if asked_of is None else turns[asked_of].images
    return tuple(dict.fromkeys(address for _, address in images if not is_data_uri(address)))


def _turns(messages: Sequence[Mapping[str, Any]]) -> tuple[list[_Turn], int, int | None]:
    """The turns, which of them is the last user's, and which has the images that are asked about."""
    if isinstance(messages, str | bytes | Mapping) or not isinstance(messages, Sequence):
        raise ArmsError(f"messages: expected a list of messages, got {messages!r:.80}")
    turns = [_read_turn(message, f"messages[{place}]") for place, message in enumerate(messages)]
    last = max((place for place, turn in enumerate(turns) if turn.role == "user"), default=None)
    if last is None:
        raise ArmsError(f"messages: expected a message of role user, got {', '.join(t.role for t in turns) or 'none'}")
    asked_of = next((place for place in range(last, -1, -1) if turns[place].images), None)
    if not turns[last].text.strip() and asked_of is None:
        raise ArmsError(f"messages[{last}]: expected a question, an image or both, got neither")
    return turns, last, asked_of


def _context(turns: Sequence[_Turn], tokens: int) -> str:
    """The end of what users and assistants said, cut before a word where it has to be cut."""
    said = _SEPARATOR.join(turn.text.strip() for turn in turns if turn.role in ("user", "assistant") and turn.text)
    most = round(tokens * STANDARD_COSTS.characters_per_token)
    start = max(0, len(said) - most)
    while 0 < start < len(said) and not said[start - 1].isspace():  # on to the next word
        start += 1
    return said[start:].strip()


def _read_turn(message: Any, where: str) -> _Turn:
    if not isinstance(message, Mapping) or message.get("role") not in ROLES:
        raise ArmsError(f"{where}: expected a message with a role, one of {', '.join(ROLES)}, got {message!r:.80}")
    content = message.get("content")
    if content is None or isinstance(content, str):  # null where an assistant only calls tools
        return _Turn(message["role"], content or "", (), ())
    if not isinstance(content, Sequence) or isinstance(content, bytes):
        raise ArmsError(f"{where}.content: expected text or a list of parts, got {content!r:.80}")
    texts, images, others = list[str](), list[tuple[str, str]](), list[str]()
    for place, part in enumerate(content):
        at = f"{where}.content[{place}]"
        kind = part.get("type") if isinstance(part, Mapping) else None
        if not isinstance(kind, str):
            raise ArmsError(f"{at}: expected a part with a type, such as text or image_url, got {part!r:.80}")
        if kind in _TEXTS:
            texts.append(_text_of(part, at))
        elif kind in _IMAGES:
            images.append((at, _address_of(part, at)))
        else:
            others.append(kind)
    return _Turn(message["role"], _SEPARATOR.join(texts), tuple(images), tuple(others))


def _text_of(part: Mapping[str, Any], at: str) -> str:
    text = part.get("refusal" if part["type"] == "refusal" else "text")
    if not isinstance(text, str):
        raise ArmsError(f"{at}: expected text, got {text!r:.80}")
    return text


def _address_of(part: Mapping[str, Any], at: str) -> str:
    url = part.get("image_url")
    url = url.get("url") if isinstance(url, Mapping) else url
    if not isinstance(url, str):
        raise ArmsError(f"{at}: expected image_url with a url, got {url!r:.80}")
    return url


def _image_of(url: str, at: str, fetched: Mapping[str, bytes]) -> bytes:
    """The file that a data URI holds (RFC 2397), or that was fetched."""
    if url in fetched:
        return fetched[url]
    head, _, body = url.partition(",")
    if not (is_data_uri(url) and head.rstrip().lower().endswith(";base64")):
        raise ArmsError(
            f"{at}: expected an image as a data URI with base64, got {url!r:.60}; nothing is downloaded and no file is "
            "opened here: read the image, and pass its bytes as data:image/png;base64,..."
        )
    try:
        return decode_text(url)
    except ValueError as error:
        raise ArmsError(f"{at}: expected base64, got {body[:40]!r}...: {error}") from error


def pictures_of(asked: Asked) -> list[BytesIO]:
    """The images as files to open."""
    return [BytesIO(content) for content in asked.images]

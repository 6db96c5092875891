"""The bytes in data URIs (RFC 2397) and in base64."""

import base64
from urllib.parse import unquote, unquote_to_bytes


def is_data_uri(text: str) -> bool:
    """Whether a text begins as a data URI does."""
    return text.lstrip()[:5].lower() == "data:"


def decode_text(text: str) -> bytes:
    """The bytes that base64 or a data URI holds; a ValueError says what is wrong with it."""
    if is_data_uri(text):
        head, comma, text = text.partition(",")
        if not comma:
            raise ValueError("a data URI without a comma")
        if not head.rstrip().lower().endswith("base64"):
            return unquote_to_bytes(text)
        text = unquote(text)
    return base64.b64decode("".join(text.split()), altchars=b"-_", validate=True)

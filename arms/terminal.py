"""Foreign text on a terminal: names, errors and profiles may hold codes that would move its cursor or hide words."""

import logging
import re

# Control codes but tab and line feed; separators of lines; what overrides the direction of writing; and halves of
# surrogate pairs, which no stream can write. Marks that only hint at a direction stay: Arabic and Hebrew need them.
_CODES = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def shown(text: str) -> str:
    r"""Text that a terminal only shows: what would steer it appears as \u001b and the like, as in JSON."""
    return _CODES.sub(_escape, text)


class ShownFormatter(logging.Formatter):
    """Formats messages as `shown`."""

    def format(self, record: logging.LogRecord) -> str:
        return shown(super().format(record))


def _escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"

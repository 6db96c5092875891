"""Times as users write them."""

from datetime import UTC, datetime

from arms.errors import ArmsError


def as_utc(text: str | None, where: str) -> datetime | None:
    """A day or a time, in UTC unless it names a zone; an ArmsError if it is neither. None stays None."""
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise ArmsError(
            f"{where}: expected a day or a time such as 2026-11-01 or 2026-11-01T08:30, got {text!r}"
        ) from error
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)

"""Where a log is: a file of SQLite, or the URL of a database."""

import re

from arms.errors import ArmsError

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_PASSWORD = re.compile(r"(://[^/@:]*:)[^@]*(@)|([?&]password=)[^&]*")
_DRIVERS = {
    "sqlite": "sqlite",
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}
EXPECTED = "a SQLite file, sqlite:///FILE or postgresql://USER@HOST/DATABASE"


def is_url(place: str) -> bool:
    """Whether a text names a place by a URL, and not by a path."""
    return _SCHEME.match(place) is not None


def shown_place(place: str) -> str:
    """A place without its password."""
    return _PASSWORD.sub(lambda found: f"{found[1] or found[3]}***{found[2] or ''}", place) if is_url(place) else place


def driver_url(place: str) -> str:
    """A place as SQLAlchemy takes it; an ArmsError if it is neither SQLite nor PostgreSQL."""
    if not is_url(place):
        return f"sqlite:///{place}"
    scheme, rest = place.split("://", 1)
    if scheme.lower() not in _DRIVERS:
        raise ArmsError(f"{shown_place(place)}: expected {EXPECTED}, got {scheme}")
    return f"{_DRIVERS[scheme.lower()]}://{rest}"


def sqlite_file(place: str) -> str | None:
    """The path of SQLite's file; None for a server.

    Raises
    ------
    ArmsError
        If the URL names no file: what only memory holds would be lost.
    """
    if not is_url(place):
        return place
    scheme, rest = place.split("://", 1)
    if scheme.lower() != "sqlite":
        return None
    path = rest.removeprefix("/").partition("?")[0]
    if not path or path == ":memory:" or not rest.startswith("/"):
        raise ArmsError(f"{place}: expected {EXPECTED}, got a URL without a file")
    return path

"""Places in an object store: URLs such as s3://bucket/routers/mine."""

import re
from urllib.parse import unquote

from arms.errors import ArmsError

SCHEMES = ("s3", "gs", "file")
_URL = re.compile(r"([a-z][a-z0-9+.-]*):/+")  # one slash where a path library made one of two
_WITHOUT_OBJECTS = ("http", "https", "data")


def is_url(place: object) -> bool:
    """Whether a place is in an object store, by how it is written; the web is none."""
    found = _URL.match(str(place))
    return found is not None and len(found[1]) > 1 and found[1] not in _WITHOUT_OBJECTS  # C:/ is a drive


def is_bucket_url(place: object) -> bool:
    """Whether a place is in a bucket: a URL that does not lead to other files of this machine."""
    return str(place).startswith(("s3:/", "gs:/"))


def is_file_url(place: object) -> bool:
    """Whether a place is a file of this machine, written as a URL."""
    return str(place).startswith("file:/")


def file_path(place: object) -> str:
    """The path that a URL such as file:///home/me/my%20picture.png leads to; any other place as it is."""
    return unquote("/" + str(place)[len("file:") :].lstrip("/")) if is_file_url(place) else str(place)


def tidy_url(place: object) -> str:
    """A place in an object store as it is shown and opened; a `Path` of it has lost a slash, which comes back."""
    scheme, slashes, rest = str(place).partition(":/")
    inside = rest.lstrip("/") if scheme != "file" else "/" + rest.lstrip("/")
    return f"{scheme}://{inside}".rstrip("/") if slashes else str(place)


def below(url: str, *names: str) -> str:
    """A place further down."""
    return "/".join([url, *names])


def split_url(url: str) -> tuple[str, str]:
    """The place that holds a folder, and the folder's name in it; an ArmsError if the URL is only of a bucket."""
    parent, _, name = url.rpartition("/")
    if parent.endswith(("/", ":")):
        raise ArmsError(f"{url}: expected a bucket and a name in it, as in s3://bucket/name, got no name")
    return parent, name

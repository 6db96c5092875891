"""Objects in an object store: the one place that reads, writes and lists them, and the errors that name them.

The library behind it, obstore, tries again by itself where that helps: after errors of the server, throttling (429,
503), time-outs and lost connections, each time after a longer pause, and a body that was cut off goes on where it
ended. What still fails is an `ObjectError`.
"""

import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import cached_property, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from arms.data.storage.urls import SCHEMES, below, tidy_url
from arms.errors import ArmsError

_PATIENCE = timedelta(minutes=2)  # for one request, with all its repetitions
_BACKOFF: dict[str, Any] = {
    "init_backoff": timedelta(milliseconds=100),
    "max_backoff": timedelta(seconds=10),
    "base": 2,
}
_LIST_TRIES = 5
_BLOCK = 4 * 2**20  # bytes handed over at a time
_opened_by: int | None = None  # the first process that opened a store
_SAID = (r"status code: (\d+[\w ]*)", r"<Code>(\w+)</Code>", r"(after \d+ retries)")
RETRIES = "ARMS_STORAGE_RETRIES"  # an environment variable
_NUM_RETRIES = 8


class ObjectError(ArmsError):
    """An object that cannot be read or written.

    Parameters
    ----------
    kind : str
        missing, denied, taken or failed.
    """

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(kind, text)  # both, as an error is made again on its way from a worker process
        self.kind, self.text = kind, text

    def __str__(self) -> str:
        return self.text


Version = dict[str, str | None]  # of an object: changes with its content


class Bucket:
    """The objects below a URL, by their keys, such as shard-00000/zarr.json.

    Parameters
    ----------
    url : str
        Such as s3://bucket/features. Nothing is asked of it before the first object is.

    Raises
    ------
    ArmsError
        If the extra is not installed, or the URL is not one of an object store.
    """

    def __init__(self, url: str) -> None:
        self.url = tidy_url(url)
        if find_spec("obstore") is None:
            raise ArmsError(f"{self.url}: expected the extra s3, obstore is missing; run: pip install 'arms[s3]'")
        scheme = self.url.partition(":")[0]
        if scheme not in SCHEMES:
            known = ", ".join(f"{name}://" for name in SCHEMES)
            raise ArmsError(f"{self.url}: expected a URL that begins with one of {known}, got {scheme}://")
        if scheme != "file" and not self.url.removeprefix(f"{scheme}://").strip("/"):
            raise ArmsError(f"{self.url}: expected a bucket's name behind {scheme}://, got none")

    @cached_property
    def _store(self) -> Any:
        return _open(self.url)

    @property
    def _is_local(self) -> bool:
        return self.url.startswith("file:")

    def __getstate__(self) -> dict[str, Any]:
        return {"url": self.url}  # a worker process opens its own

    def below(self, name: str) -> "Bucket":
        """The objects below a key."""
        return Bucket(below(self.url, name))

    def read(self, key: str, expected: str, remedy: str) -> bytes:
        """An object's bytes.

        Parameters
        ----------
        expected : str
            What it should be, such as "a router's description".
        remedy : str
            What to do if it is missing.

        Raises
        ------
        ObjectError
            If it is missing, forbidden, or the store still fails after many tries.
        """
        import obstore

        with self._naming(key, expected, remedy):
            return bytes(obstore.get(self._store, key).bytes())

    def read_if_there(self, key: str, expected: str) -> bytes | None:
        """An object's bytes, or None if there is none; for the errors see `read`."""
        return _unless_missing(lambda: self.read(key, expected, ""))

    def read_with_version(self, key: str, expected: str) -> tuple[bytes, Version] | None:
        """An object's bytes and what `write` takes as `replaces`, or None if there is none; see `read`."""
        import obstore

        def ask() -> tuple[bytes, Version]:
            with self._naming(key, expected, ""):
                found = obstore.get(self._store, key)
                return bytes(found.bytes()), _version_of(found.meta)

        return _unless_missing(ask)

    def end_of(self, key: str, num_bytes: int, expected: str) -> tuple[bytes, int]:
        """An object's last bytes, and how many it has in all; for the errors see `read`."""
        import obstore

        with self._naming(key, expected, "copy it there again"):
            found = obstore.get(self._store, key, options={"range": {"suffix": num_bytes}})
            return bytes(found.bytes()), found.meta["size"]

    def exists(self, key: str, expected: str) -> bool:
        """Whether there is an object; for the errors see `read`."""
        import obstore

        def ask() -> bool:
            with self._naming(key, expected, ""):
                return obstore.head(self._store, key) is not None

        return bool(_unless_missing(ask))

    def blocks(self, key: str, expected: str, remedy: str) -> Iterator[bytes]:
        """An object's bytes, block by block; for the errors see `read`."""
        import obstore

        with self._naming(key, expected, remedy):
            for block in obstore.get(self._store, key).stream(min_chunk_size=_BLOCK):
                yield bytes(block)

    def write(self, key: str, content: bytes | Path, *, replaces: Version | None = None) -> Version:
        """Write an object, which appears whole or not at all.

        Parameters
        ----------
        content : bytes or Path
            Of a file, its bytes.
        replaces : Version, optional
            What must be there; an ObjectError of kind taken if it is something else.

        Returns
        -------
        Version
            Of what was written, for `replaces`.

        Raises
        ------
        ObjectError
            If it is forbidden, or the store still fails after many tries.
        """
        import obstore

        mode: Any = "overwrite"
        if replaces is not None and not self._is_local:  # the disk cannot compare and write in one
            mode = {name: value for name, value in replaces.items() if value is not None}
        with self._naming(key, "to write there", "see who else writes there"):
            return _version_of(obstore.put(self._store, key, content, mode=mode))

    def create(self, key: str, content: bytes) -> Version | None:
        """Write an object only if there is none; None if there is one, else its version. Others see it at once."""
        import obstore

        with self._naming(key, "to write there", ""):
            try:
                return _version_of(obstore.put(self._store, key, content, mode="create"))
            except obstore.exceptions.AlreadyExistsError:
                # Or the answer to the first try was lost, and a second one found what the first had written.
                found = self.read_with_version(key, "to write there")
                return found[1] if found is not None and found[0] == content else None

    def remove(self, key: str) -> None:
        """Remove an object, if it is there."""
        import obstore

        with suppress(FileNotFoundError), self._naming(key, "to remove it", ""):
            obstore.delete(self._store, key)

    def listed(self, key: str = "") -> dict[str, int]:
        """Sizes by key of the objects below a key. A store may list the newest ones only later."""
        for tried in range(1, _LIST_TRIES + 1):
            try:
                return self._listed(key)
            except ObjectError as error:  # the library does not try again where a listing is cut off
                if error.kind != "failed" or tried == _LIST_TRIES:
                    raise
                time.sleep(_BACKOFF["init_backoff"].total_seconds() * 2**tried)
        raise AssertionError("the last try returns or raises")

    def _listed(self, key: str) -> dict[str, int]:
        import obstore

        with self._naming(key, "to list what is there", "name a bucket that is there"):
            return {meta["path"]: meta["size"] for page in obstore.list(self._store, key or None) for meta in page}

    @contextmanager
    def _naming(self, key: str, expected: str, remedy: str) -> Iterator[None]:
        """Turn the library's errors into one that names the object."""
        import obstore

        where = below(self.url, key) if key else self.url
        wrong = obstore.exceptions
        try:
            yield
        except FileNotFoundError as error:
            missing = "no such bucket" if "NoSuchBucket" in str(error) else "no such object"
            raise ObjectError("missing", f"{where}: expected {expected}, got {missing}; {remedy}") from error
        except (wrong.PermissionDeniedError, wrong.UnauthenticatedError) as error:
            raise ObjectError(
                "denied",
                f"{where}: expected {expected}, the store denied it ({_reason(error)}); check the credentials "
                "and what they may do there",
            ) from error
        except wrong.PreconditionError as error:
            raise ObjectError("taken", f"{where}: expected {expected}, another writer was faster; {remedy}") from error
        except (wrong.BaseError, OSError, ValueError) as error:
            raise ObjectError(
                "failed",
                f"{where}: expected {expected}, the store failed ({_reason(error)}); wait, then run the same again: "
                "what is there already is kept",
            ) from error


@lru_cache
def bucket_at(url: str) -> Bucket:
    """The bucket at a URL, whose connections all who ask share."""
    return Bucket(url)


def in_parallel(work: Callable[[Any], Any], items: Sequence[Any], threads: int = 8) -> list[Any]:
    """What `work` makes of each item, in threads: most of the time goes by waiting for the store."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, items))


def _open(url: str) -> Any:
    from obstore.store import from_url

    global _opened_by
    if _opened_by not in (None, os.getpid()):  # its threads did not come along, and would be waited for for good
        raise ArmsError(f"{url}: expected a process that was started anew, got one forked from one that used a store")
    _opened_by = os.getpid()

    scheme = url.partition(":")[0]
    if scheme == "file":
        return from_url(url, mkdir=True)
    options: dict[str, Any] = {
        "client_options": {"allow_http": _is_plain_http()},
        "retry_config": {
            "max_retries": int(os.environ.get(RETRIES, _NUM_RETRIES)),
            "backoff": _BACKOFF,
            "retry_timeout": _PATIENCE,
        },
    }
    if scheme == "s3":
        options["config"] = {"checksum_algorithm": "sha256"}  # the server refuses an upload that changed on its way
        options |= _aws_profile()
    try:
        return from_url(url, **options)
    except Exception as error:  # of several types, some not exported, for settings in the environment
        raise ArmsError(f"{url}: could not open it: {_reason(error)}; check the URL and the environment") from error


def _is_plain_http() -> bool:
    """Whether the environment names a server without TLS, such as one on this machine."""
    names = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
    return any(os.environ.get(name, "").startswith("http://") for name in names)


def _aws_profile() -> dict[str, Any]:
    """Credentials of ~/.aws, such as `aws configure` writes them: boto3 reads those, where it is installed."""
    files = [Path.home() / ".aws" / name for name in ("credentials", "config")]
    wanted = "AWS_PROFILE" in os.environ or any(file.is_file() for file in files)
    if "AWS_ACCESS_KEY_ID" in os.environ or not wanted or find_spec("boto3") is None:
        return {}
    from obstore.auth.boto3 import Boto3CredentialProvider

    return {"credential_provider": Boto3CredentialProvider()}


def _version_of(known: Any) -> Version:
    return {name: known[name] for name in ("e_tag", "version")}


def _unless_missing(ask: Callable[[], Any]) -> Any:
    try:
        return ask()
    except ObjectError as error:
        if error.kind != "missing":
            raise
        return None


def _reason(error: Exception) -> str:
    """What the server said, or the first line of the library's message: the rest of it is for its own authors."""
    text = str(error)
    said = [found[1] for pattern in _SAID if (found := re.search(pattern, text))]
    return ", ".join(said) or text.strip().partition("\n")[0][:300]

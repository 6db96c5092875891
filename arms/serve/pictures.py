"""Downloading the pictures that a request names by their address, for the router; see `arms.serve.addresses`."""

import asyncio
import ssl
from typing import Any
from urllib.parse import SplitResult, quote, urljoin, urlsplit

import httpcore

from arms import __version__
from arms.data.data_uris import is_data_uri
from arms.serve.addresses import PublicBackend, RefusedAddressError
from arms.serve.limits import MIB
from arms.serve.problems import RequestError
from arms.serve.settings import PictureSettings

_PORTS = {"https": 443, "http": 80}
_MOVED = (301, 302, 303, 307, 308)
_HEADERS = [("user-agent", f"arms/{__version__}"), ("accept", "image/*"), ("accept-encoding", "identity")]


class PictureMissingError(Exception):
    """A picture that could not be downloaded; the VLM may still reach it."""


class Downloader:
    """Downloads pictures from the public internet.

    Parameters
    ----------
    settings : PictureSettings
    """

    def __init__(self, settings: PictureSettings) -> None:
        self._settings = settings
        self._allowed = frozenset(host.lower() for host in settings.allow_hosts)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=ssl.create_default_context(),
            max_connections=64,
            max_keepalive_connections=0,  # an address is judged when it is connected to
            network_backend=PublicBackend(settings.allow_hosts),
        )

    async def close(self) -> None:
        """End all downloads."""
        await self._pool.aclose()

    async def fetch(self, addresses: tuple[str, ...]) -> dict[str, bytes]:
        """The files at some addresses.

        Raises
        ------
        RequestError
            If an address is refused: another scheme, a private host, a user or another port in it, or a file too large.
        PictureMissingError
            If there is none, it takes too long, or downloading is switched off.
        """
        for address in addresses:
            self._check(address)
        if not addresses:
            return {}
        if not self._settings.fetch:
            raise PictureMissingError("pictures.fetch: false")
        try:
            async with asyncio.timeout(self._settings.timeout_s), asyncio.TaskGroup() as group:
                tasks = {address: group.create_task(self._fetch(address)) for address in addresses}
        except TimeoutError as error:
            raise PictureMissingError(f"a picture took longer than {self._settings.timeout_s:g} s") from error
        except BaseExceptionGroup as errors:
            raise next(
                (one for one in errors.exceptions if isinstance(one, RequestError)), errors.exceptions[0]
            ) from errors
        return {address: task.result() for address, task in tasks.items()}

    async def _fetch(self, address: str) -> bytes:
        """Follow redirections to a file."""
        here = address
        for _ in range(self._settings.redirects + 1):
            parts = self._check(here)
            try:
                async with self._pool.stream("GET", _encoded(parts), headers=_HEADERS) as response:
                    headers = {
                        key.decode("latin-1").lower(): value.decode("latin-1") for key, value in response.headers
                    }
                    if response.status not in _MOVED:
                        return await self._read(response, headers, address)
                    here = urljoin(here, headers.get("location", ""))
            except RefusedAddressError as error:
                raise _refused(address, str(error)) from error
            except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, ValueError) as error:
                raise PictureMissingError(f"{_short(address)}: {type(error).__name__}: {error}") from error
        raise PictureMissingError(f"{_short(address)}: more than {self._settings.redirects} redirections")

    async def _read(self, response: httpcore.Response, headers: dict[str, str], address: str) -> bytes:
        if response.status != 200 or headers.get("content-encoding", "identity") != "identity":
            raise PictureMissingError(f"{_short(address)}: status {response.status}, no plain file")
        content = bytearray()
        async for chunk in response.aiter_stream():
            content += chunk
            if len(content) > self._settings.most_mb * MIB:
                raise RequestError(
                    413,
                    f"{_short(address)}: expected a picture of {self._settings.most_mb:g} MiB at most",
                    param="messages",
                )
        return bytes(content)

    def _check(self, address: str) -> SplitResult:
        """The parts of an address that may be asked; a RequestError for others."""
        try:
            parts = urlsplit(address)
            port, host = parts.port, (parts.hostname or "").lower()
        except ValueError as error:
            raise _refused(address, str(error)) from error
        if host in self._allowed and parts.scheme in _PORTS:
            return parts
        if parts.scheme != "https" or not host:
            raise _refused(address, "only https is")
        if parts.username is not None or parts.password is not None:
            raise _refused(address, "no user may be in it")
        if port not in (None, _PORTS[parts.scheme]):
            raise _refused(address, f"no port but {_PORTS[parts.scheme]} is")
        return parts


def with_files(messages: list[Any], files: dict[str, str]) -> list[Any]:
    """Messages with data URIs in the place of addresses; whatever else is in them stays."""

    def swapped(part: Any) -> Any:
        if isinstance(part, list):
            return [swapped(one) for one in part]
        if not isinstance(part, dict):
            return part
        if isinstance(url := part.get("url"), str) and url in files:
            return part | {"url": files[url]}
        image = part.get("image_url")
        if isinstance(image, str):
            return part | {"image_url": files.get(image, image)}
        return {key: swapped(value) if key in ("content", "image_url") else value for key, value in part.items()}

    return [swapped(message) for message in messages]


def _encoded(parts: SplitResult) -> bytes:
    """The address in ASCII, without a fragment."""
    host = (
        (parts.hostname or "").encode("idna").decode() if ":" not in (parts.hostname or "") else f"[{parts.hostname}]"
    )
    port = "" if parts.port is None else f":{parts.port}"
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    query = f"?{quote(parts.query, safe='/%:@!$&()*+,;=~-._?')}" if parts.query else ""
    return f"{parts.scheme}://{host}{port}{path}{query}".encode("ascii")


def _refused(address: str, reason: str) -> RequestError:
    return RequestError(
        400,
        f"image_url: {_short(address)} is not allowed: {reason}; send the image as a data URI",
        code="image_address_refused",
        param="messages",
    )


def _short(address: str) -> str:
    """An address as an error shows it: without what a query may hold."""
    return repr(address if is_data_uri(address) else address.partition("?")[0])[:100]

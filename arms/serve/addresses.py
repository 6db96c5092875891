"""Which addresses may be connected to: those of the public internet, judged by the address that is really used.

A name is resolved once, all that it resolves to is judged, and the connection goes to one of these addresses: a name
that resolves to another one a moment later gains nothing.
"""

import asyncio
import socket
from collections.abc import Collection, Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any

import httpcore

_NAT64 = IPv6Network("64:ff9b::/96")  # an IPv4 address is at the end


class RefusedAddressError(Exception):
    """An address that is not to be connected to."""


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet, also if it is an IPv4 address in an IPv6 one."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return all(one.is_global and not one.is_multicast and not one.is_reserved for one in _judged(found))


def _judged(address: IPv4Address | IPv6Address) -> list[IPv4Address | IPv6Address]:
    """The addresses that a connection to an address may end at."""
    if isinstance(address, IPv4Address):
        return [address]
    if address.ipv4_mapped is not None or address in _NAT64:
        return [IPv4Address(int(address) & 0xFFFFFFFF)]
    return [address, *filter(None, (address.sixtofour, *(address.teredo or ())))]


class PublicBackend(httpcore.AsyncNetworkBackend):
    """Connects to public addresses only, and to hosts that are allowed.

    Parameters
    ----------
    allow_hosts : collection of str
        Names or addresses that may be private.
    """

    def __init__(self, allow_hosts: Collection[str]) -> None:
        self._allowed = frozenset(host.lower() for host in allow_hosts)
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Resolve a name, judge all its addresses, and connect to the first that answers."""
        addresses = await _resolve(host, port)
        if host.lower() not in self._allowed and (private := [one for one in addresses if not is_public(one)]):
            raise RefusedAddressError(f"{host} is at {private[0]}, which is not on the public internet")
        for address in addresses[:-1]:
            try:
                return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except httpcore.ConnectError:
                continue
        return await self._inner.connect_tcp(addresses[-1], port, timeout, local_address, socket_options)

    async def connect_unix_socket(self, *args: Any, **settings: Any) -> httpcore.AsyncNetworkStream:
        """Never."""
        raise RefusedAddressError("expected a host, got a socket of this machine")

    async def sleep(self, seconds: float) -> None:
        """Wait between two tries."""
        await self._inner.sleep(seconds)


async def _resolve(host: str, port: int) -> list[str]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError(f"{host}: {error}") from error
    return list(dict.fromkeys(str(address[0]) for *_, address in found))

"""Who may ask: keys of clients, compared in constant time, and what only this machine may ask for."""

import hmac
from hashlib import sha256
from ipaddress import ip_address

from fastapi import Request

from arms.errors import ArmsError
from arms.serve.problems import RequestError
from arms.serve.settings import ServeSettings, secret

ANYBODY = ""


class Keys:
    """The keys that clients may have; without any, everybody may ask.

    Parameters
    ----------
    keys : sequence of str
        Only their hashes are held.
    """

    def __init__(self, keys: tuple[str, ...] = ()) -> None:
        self._digests = [sha256(key.encode()).digest() for key in keys]

    @classmethod
    def of(cls, settings: ServeSettings) -> "Keys":
        """Those in the environment variable that the settings name."""
        if settings.keys_env is None:
            return cls()
        keys = tuple(key.strip() for key in secret(settings.keys_env, "keys_env").split(",") if key.strip())
        if not keys:
            raise ArmsError(f"keys_env: expected keys with commas between in {settings.keys_env}, got none")
        return cls(keys)

    def check(self, request: Request) -> str:
        """Who asks: a short hash of the key, empty where there are no keys; a RequestError if no key is right."""
        if not self._digests:
            return ANYBODY
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        digest = sha256(key.strip().encode()).digest()
        # All are compared, so that the time tells nothing.
        right = sum(hmac.compare_digest(digest, known) for known in self._digests)
        if scheme.lower() != "bearer" or not right:
            raise RequestError(
                401,
                "expected the header Authorization: Bearer with a key of this gateway",
                code="invalid_api_key",
                headers={"www-authenticate": "Bearer"},
            )
        return digest.hex()[:16]


def check_local(request: Request) -> None:
    """Raise a RequestError unless the connection comes from this machine."""
    try:
        local = request.client is not None and ip_address(request.client.host).is_loopback
    except ValueError:  # a name, as test clients have
        local = False
    if not local:
        raise RequestError(403, "expected a connection from this machine; ask on 127.0.0.1")

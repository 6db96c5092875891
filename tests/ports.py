"""Ports of this machine for servers of tests."""

import random
import socket

_OF_NO_CONNECTION = range(20_000, 32_000)  # connections that go out take theirs from 32,768 on, as Linux comes


def free_port() -> int:
    """A port on which nobody listens; drawn, so that tests that run at the same time find others."""
    while True:
        port = random.SystemRandom().choice(_OF_NO_CONNECTION)
        with socket.socket() as found:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                found.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port

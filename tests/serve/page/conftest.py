"""Stores as the tests of the memory have them."""

from tests.serve.memory.conftest import place, server

__all__ = ["place", "server"]

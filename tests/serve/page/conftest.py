"""Stores as the tests of the memory have them."""

from tests.serve.memory.conftest import place, shared_url

__all__ = ["place", "shared_url"]

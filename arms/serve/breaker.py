"""Leaves a VLM alone that has failed several times in a row."""

import asyncio
from collections.abc import Callable

from purgatory import AsyncCircuitBreakerFactory
from purgatory.domain.model import OpenedState

from arms.serve.settings import BreakerSettings


class CircuitOpenError(Exception):
    """A VLM that is left alone now."""


class Attempt:
    """A request to a VLM whose end is told once: with success, with a failure, or not at all.

    One that its client gave up says nothing of the VLM, so it is not told.
    """

    def __init__(self, breakers: AsyncCircuitBreakerFactory, name: str) -> None:
        self._breakers, self._name, self._told = breakers, name, False

    async def begin(self) -> None:
        """Raise CircuitOpenError if the VLM is left alone."""
        self._breaker = await self._breakers.get_breaker(self._name)
        try:
            await self._breaker.__aenter__()
        except OpenedState as error:
            raise CircuitOpenError from error

    async def end(self, failure: Exception | None = None) -> None:
        """Tell how it ended; only the first time counts."""
        if not self._told:
            self._told = True
            kind = None if failure is None else type(failure)
            await self._breaker.__aexit__(kind, failure, None)


class Breakers:
    """One circuit breaker for each VLM.

    Parameters
    ----------
    settings : BreakerSettings
    changed : callable
        Receives a VLM's name and whether it is left alone, whenever that changes.
    """

    def __init__(self, settings: BreakerSettings, changed: Callable[[str, bool], None]) -> None:
        self._factory = AsyncCircuitBreakerFactory(
            default_threshold=settings.failures, default_ttl=settings.pause_s, exclude=[asyncio.CancelledError]
        )

        def listen(name: str, kind: str, event: object) -> None:
            if kind == "state_changed":
                changed(name, getattr(event, "state", "") == "opened")

        self._factory.add_listener(listen)

    def attempt(self, name: str) -> Attempt:
        """A request to a VLM that is to begin."""
        return Attempt(self._factory, name)

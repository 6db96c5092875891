"""A new router in the place of the old one, without a request lost: it is loaded beside it, tried, then swapped."""

import asyncio
import logging
from collections.abc import Callable

from arms.errors import ArmsError
from arms.serve.gateway import Gateway
from arms.serve.loaded import Loaded
from arms.serve.problems import RequestError

log = logging.getLogger(__name__)


class Reloader:
    """Loads the router anew when asked to, once at a time.

    Parameters
    ----------
    gateway : Gateway
    load : callable
        Gives the new router; it is called in a thread.
    """

    def __init__(self, gateway: Gateway, load: Callable[[], Loaded]) -> None:
        self._gateway, self._load, self._lock = gateway, load, asyncio.Lock()

    async def reload(self) -> str:
        """Swap the router; requests that the old one has begun to decide end with it.

        Returns
        -------
        str
            The new router's name.

        Raises
        ------
        RequestError
            If the new one cannot be loaded or fails its trial; the old one goes on.
        """
        async with self._lock:
            old = self._gateway.decider.loaded.name
            try:
                loaded = await asyncio.to_thread(self._load)
            except Exception as error:
                self._gateway.metrics.reloads.labels("failed").inc()
                said = str(error) if isinstance(error, ArmsError | OSError) else f"{type(error).__name__}: {error}"
                log.warning("the router %s goes on, as the new one cannot be used: %s", old, said)
                raise RequestError(409, f"the router {old} goes on, as the new one cannot be used: {said}") from error
            self._gateway.decider.loaded = loaded
        self._gateway.metrics.reloads.labels("done").inc()
        log.warning("the router is now %s, it was %s", loaded.name, old)
        return loaded.name

"""Sessions stay with their VLM, which has their beginning in its cache, unless another is clearly ahead."""

from collections.abc import Mapping

from cachetools import TTLCache

from arms.serve.settings import SessionSettings


class Sessions:
    """Which VLM answered each session last; of many sessions the latest ones.

    Parameters
    ----------
    settings : SessionSettings
    """

    def __init__(self, settings: SessionSettings) -> None:
        self._margin = settings.margin
        self._last: TTLCache[tuple[str, str], str] = TTLCache(settings.most, settings.keep_s)

    def sticks_to(self, owner: str, session: str | None, greedy: str, confidences: Mapping[str, float]) -> str | None:
        """The VLM that a session stays with; None if it has none, or another is ahead by more than the margin.

        Parameters
        ----------
        owner : str
            Who asks: sessions of others are others.
        greedy : str
            What the policy would choose.
        confidences : mapping
            Of the VLMs that can answer.
        """
        last = None if session is None else self._last.get((owner, session))
        if last is None or last not in confidences or confidences[greedy] - confidences[last] > self._margin:
            return None
        return last

    def answered(self, owner: str, session: str | None, vlm: str) -> None:
        """Note who answered."""
        if session is not None:
            self._last[owner, session] = vlm

    def __len__(self) -> int:
        return len(self._last)

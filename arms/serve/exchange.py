"""One request from its beginning to its end: who was asked, when it began to answer, what it cost."""

from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from urllib.parse import quote

from arms.serve.decide import Decided
from arms.serve.decisions import Answer
from arms.serve.sse import Event, text_of, tokens_of
from arms.serve.tracing import Trace
from arms.serve.upstream import UpstreamError

_SAFE = " /:@+()~!*'$&;=[]"  # what a header's value may hold as it is; a comma stands between names
CLIENT_LEFT = 499
BROKEN = 502
STOPPED = 503


@dataclass
class Exchange:
    """What is known of a request so far.

    Attributes
    ----------
    request_id, owner : str
    trace : Trace
    ended : callable
        Receives it once, with the answer's record, when it has ended.
    keep_output : bool
        Collect the text of the answer.
    """

    request_id: str
    owner: str
    trace: Trace
    ended: Callable[["Exchange", Answer], None]
    keep_output: bool
    decided: Decided | None = None
    vlm: str | None = None
    failures: list[tuple[str, UpstreamError]] = field(default_factory=list)
    first_byte_s: float | None = None
    tokens: tuple[int | None, int | None] = (None, None)
    price: tuple[float, float] | None = None
    _said: list[str] = field(default_factory=list)
    _started: float = field(default_factory=perf_counter)
    _over: bool = False

    def passes_on(self) -> None:
        """Note that the first byte goes to the client now."""
        if self.first_byte_s is None:
            self.first_byte_s = perf_counter() - self._started

    def see(self, event: Event) -> None:
        """Take from an event of a stream, or from a whole answer as one, what is recorded of it."""
        if (usage := event.usage) is not None:
            self.tokens = tokens_of(usage)
        if self.keep_output and event.data is not None:
            self._said.append(text_of(event.content()))

    @property
    def cost_usd(self) -> float | None:
        """By the tokens and the VLM's prices; None if one is unknown."""
        prompt, completion = self.tokens
        if self.price is None or prompt is None or completion is None:
            return None
        return (prompt * self.price[0] + completion * self.price[1]) / 1e6

    def headers(self) -> dict[str, str]:
        """What the client sees of it before the first byte."""
        headers = {"x-request-id": self.request_id}
        if self.decided is not None:
            headers["x-arms-reason"] = self.decided.decision.reason
            headers["x-arms-decision-ms"] = f"{1000 * self.decided.seconds:.1f}"
            headers["x-arms-fallbacks"] = ",".join(quote(vlm, _SAFE) for vlm, _ in self.failures)
            if self.decided.failure is not None:
                headers["x-arms-router-failure"] = self.decided.failure
        if self.vlm is not None and self.decided is not None:
            headers["x-arms-vlm"] = quote(self.vlm, _SAFE)
            confidence = self.decided.decision.confidences.get(self.vlm)
            if confidence is not None:
                headers["x-arms-confidence"] = f"{confidence:.4f}"
        return headers

    def end(self, status: int) -> None:
        """Note how it ended; only the first time counts."""
        if self._over:
            return
        self._over = True
        prompt, completion = self.tokens
        answer = Answer(
            request_id=self.request_id,
            vlm=self.vlm,
            fallbacks=tuple(vlm for vlm, _ in self.failures),
            status=status,
            decision_s=0.0 if self.decided is None else self.decided.seconds,
            first_byte_s=self.first_byte_s,
            latency_s=perf_counter() - self._started,
            prompt_tokens=prompt,
            completion_tokens=completion,
            cost_usd=self.cost_usd,
            output="".join(self._said) if self.keep_output else None,
        )
        self.trace.end(answer)
        self.ended(self, answer)

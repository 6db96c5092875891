"""What the gateway asks of a memory."""

from typing import Protocol

from arms.serve.decisions import Answer, Decision, Feedback


class Memory(Protocol):
    """Keeps what the gateway decided, how it ended and what was said of it."""

    async def decide(self, decision: Decision) -> None:
        """Record a decision; it is durable when this returns."""

    async def answered(self, answer: Answer) -> None:
        """Record how a request ended."""

    async def feedback(self, feedback: Feedback) -> None:
        """Record what was said of an answer; an ArmsError if the request id is unknown."""

    async def close(self) -> None:
        """End; what was recorded stays."""

"""`memory: none`: a memory that keeps nothing."""

from arms.serve.decisions import Answer, Decision, Feedback
from arms.serve.memory.errors import UnknownRequestError


class NoMemory:
    """Keeps nothing, so that no feedback finds its request."""

    async def decide(self, decision: Decision) -> None:
        """Forget the decision."""

    async def answered(self, answer: Answer) -> None:
        """Forget the answer."""

    async def feedback(self, feedback: Feedback) -> None:
        """Raise an UnknownRequestError: no request is known."""
        raise UnknownRequestError(
            f"request_id: expected a request that is remembered, got {feedback.request_id!r}; memory: none keeps "
            "nothing, so set a memory that does"
        )

    async def close(self) -> None:
        """There is nothing to end."""

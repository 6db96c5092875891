"""`memory: none`: a memory that keeps nothing."""

from arms.errors import ArmsError
from arms.serve.decisions import Answer, Decision, Feedback


class NoMemory:
    """Keeps nothing, so that no feedback finds its request."""

    async def decide(self, decision: Decision) -> None:
        """Forget the decision."""

    async def answered(self, answer: Answer) -> None:
        """Forget the answer."""

    async def feedback(self, feedback: Feedback) -> None:
        """Raise an ArmsError: no request is known."""
        raise ArmsError(
            f"request_id: expected a request that is remembered, got {feedback.request_id!r}; memory: none keeps "
            "nothing, so set a memory that does"
        )

    async def close(self) -> None:
        """There is nothing to end."""

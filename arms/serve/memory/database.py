"""A memory in a database: SQLite or PostgreSQL."""

import asyncio

from arms.serve.decisions import Answer, Decision, Feedback
from arms.serve.memory.statements import Entry, answer_entry, decision_entry, feedback_entry
from arms.serve.memory.writer import Writer
from arms.traffic.store import Store


class DatabaseMemory:
    """Keeps decisions, answers and feedback in a database; see `Memory`.

    Parameters
    ----------
    store : Store
    keep_questions, keep_images, keep_outputs : bool
        Keep these too; else they are left out whatever is handed over.
    """

    def __init__(self, store: Store, *, keep_questions: bool, keep_images: bool, keep_outputs: bool) -> None:
        self._keep_questions = keep_questions
        self._keep_images = keep_images
        self._keep_outputs = keep_outputs
        self._writer = Writer(store)

    async def decide(self, decision: Decision) -> None:
        """Record a decision, which is durable when this returns; DoubledRequestError if its id is taken."""
        keep = {"keep_questions": self._keep_questions, "keep_images": self._keep_images}
        await self._write(decision_entry(decision, **keep))

    async def answered(self, answer: Answer) -> None:
        """Record how a request ended; UnknownRequestError without its decision, DoubledRequestError a second time."""
        await self._write(answer_entry(answer, keep_outputs=self._keep_outputs))

    async def feedback(self, feedback: Feedback) -> None:
        """Record what was said of an answer, after what was said before; UnknownRequestError without its decision."""
        await self._write(feedback_entry(feedback))

    async def close(self) -> None:
        """Write what waits, and close the database."""
        await asyncio.to_thread(self._writer.close)

    async def _write(self, entry: Entry) -> None:
        await asyncio.wrap_future(self._writer.submit(entry))

"""A small log of a gateway: six requests, three VLMs, feedback on all but one."""

import asyncio
import io
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

pytest.importorskip("sqlalchemy")

from arms.serve.decisions import Answer, Decision, Feedback
from arms.serve.memory.opening import open_memory
from tests.serve.memory.made import START, answer, decision, feedback

VLMS = ("gpt-4o", "phi-4", "llava-7b")
QUESTIONS = ("How many chairs?", "How many lines?", "Which colour?", "Is it red?", "Where is it?", "What does it say?")
MINUTE = timedelta(minutes=1)


def write_log(folder: Path) -> tuple[Path, ...]:
    """Six requests that each of three VLMs answered in the end, as feedback says; one outcome is missing."""
    records: list[Decision | Answer | Feedback] = []
    for number, question in enumerate(QUESTIONS):
        records += request(f"r{number}", question, picture(number), chosen=VLMS[number % 3], minute=number)
        for place, vlm in enumerate(VLMS):
            if (number, vlm) != (5, "llava-7b"):
                records.append(feedback(f"r{number}", (number + place) % 2 == 0, vlm=vlm))
    return (write_records(folder / "memory.db", records),)


def request(
    request_id: str,
    question: str,
    *pictures: bytes,
    chosen: str = "gpt-4o",
    minute: float = 0,
    ended: dict[str, Any] | None = None,
    **changes: Any,
) -> list[Decision | Answer | Feedback]:
    """A decision and its end."""
    confidences = dict(zip(VLMS, (0.6, 0.3, 0.2), strict=True))
    made = {"confidences": confidences, "greedy": "gpt-4o", "propensity": 0.9 if chosen == "gpt-4o" else 0.05}
    made |= {"reason": "policy" if chosen == "gpt-4o" else "explore", "time": START + minute * MINUTE} | changes
    end = {"vlm": chosen, "cost_usd": 0.001 + minute / 1000, "output": f"{request_id} says"} | (ended or {})
    return [
        decision(request_id, question=question, images=pictures, chosen=chosen, **made),
        answer(request_id, **end),
    ]


def picture(number: int) -> bytes:
    """A picture as PNG."""
    content = io.BytesIO()
    Image.new("RGB", (8, 8), (40 * number, 128, 0)).save(content, format="PNG")
    return content.getvalue()


def write_records(
    file: Path,
    records: list[Decision | Answer | Feedback],
    *,
    keep: tuple[str, ...] = ("questions", "images", "outputs"),
) -> Path:
    """Write records as a gateway does; the file."""

    async def write() -> None:
        memory = open_memory(str(file), **{f"keep_{kind}": True for kind in keep})
        for record in records:
            if isinstance(record, Decision):
                await memory.decide(record)
            elif isinstance(record, Answer):
                await memory.answered(record)
            else:
                await memory.feedback(record)
        await memory.close()

    asyncio.run(write())
    return file

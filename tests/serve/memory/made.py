"""Decisions, answers and feedback, made up for tests."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from arms.serve.decisions import Answer, Decision, Feedback

START = datetime(2026, 11, 3, 9, 30, tzinfo=UTC)
QUESTION = "How many chairs are there?"


def sha256(content: str | bytes) -> str:
    """Of some content."""
    return hashlib.sha256(content.encode("utf-8", "replace") if isinstance(content, str) else content).hexdigest()


def decision(request_id: str = "r0", *, images: tuple[bytes, ...] = (b"a photograph",), **changes: Any) -> Decision:
    """A decision between two VLMs, with whatever is to differ."""
    question = changes.get("question", QUESTION)
    made: dict[str, Any] = {
        "request_id": request_id,
        "time": START,
        "image_sha256": tuple(map(sha256, images)),
        "question_sha256": sha256(question or ""),
        "question": question,
        "images": images,
        "policy": json.dumps({"name": "argmax"}),
        "confidences": {"small": 0.25, "large": 0.75},
        "unable": {"blind": "takes no image"},
        "novelty": 0.5,
        "chosen": "large",
        "greedy": "large",
        "propensity": 0.98,
        "reason": "policy",
        "router": "arms",
        "session": None,
        "expected_cost_usd": 0.002,
    }
    return Decision(**made | changes)


def answer(request_id: str = "r0", **changes: Any) -> Answer:
    """An answer by the VLM that was chosen."""
    made: dict[str, Any] = {
        "request_id": request_id,
        "vlm": "large",
        "fallbacks": (),
        "status": 200,
        "decision_s": 0.02,
        "first_byte_s": 0.4,
        "latency_s": 1.5,
        "prompt_tokens": 300,
        "completion_tokens": 12,
        "cost_usd": 0.0021,
        "output": "Four.",
    }
    return Answer(**made | changes)


def feedback(request_id: str = "r0", correct: bool | None = True, *, hours: float = 1, **changes: Any) -> Feedback:
    """What was said of an answer, some hours later."""
    made: dict[str, Any] = {"request_id": request_id, "vlm": None, "correct": correct, "score": None}
    return Feedback(**made | {"time": START + timedelta(hours=hours)} | changes)

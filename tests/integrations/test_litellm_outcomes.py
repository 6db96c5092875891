"""The outcome logger, with events as LiteLLM hands them over."""

import asyncio
import base64
import hashlib
import json
import sys
import threading
from datetime import UTC, datetime
from types import ModuleType

import pytest

from arms.errors import ArmsError
from arms.integrations.litellm.outcome_logger import OutcomeLines, append_line, outcome_logger
from arms.integrations.litellm.record import Keep, record_of
from tests.importers.logs.m2 import png
from tests.integrations.contexts import answer, asks, event

START, END = datetime(2026, 11, 1, 12, 0, 0), datetime(2026, 11, 1, 12, 0, 2, 500_000)
RED = png((200, 30, 30))
PICTURE = f"data:image/png;base64,{base64.b64encode(RED).decode()}"
QUESTION = asks("Count the dots.", PICTURE)
SIGNALS = {
    "arms.vlm": "painter",
    "arms.deployments": {"azure/prod-4": "painter", "openai/reader-7b": "reader-7b"},
    "arms.confidences": {"painter": 0.9, "reader-7b": 0.2},
    "arms.reason": "policy",
    "arms.propensity": 1.0,
    "arms.failed": [],
    "arms.decision_s": 0.02,
}


def read(happened, keep=Keep(), succeeded=True):  # noqa: B008
    return record_of(happened, answer("Three."), START, END, keep, succeeded=succeeded)


class TestRecord:
    def test_an_answer(self):
        record = read(event(QUESTION, "azure/prod-4", signals=SIGNALS))
        assert record == {
            "request_id": "call-1",
            "time": START.astimezone(UTC).isoformat(),
            "status": "success",
            "vlm": "painter",
            "deployment": "azure/prod-4",
            "tried_before": [],
            "error": None,
            "latency_s": 2.5,
            "first_byte_s": None,
            "prompt_tokens": 11,
            "completion_tokens": 3,
            "cost_usd": 1.7e-05,
            "chosen": "painter",
            "reason": "policy",
            "problem": None,
            "confidences": {"painter": 0.9, "reader-7b": 0.2},
            "propensity": 1.0,
            "decision_s": 0.02,
            "question_sha256": hashlib.sha256(b"Count the dots.").hexdigest(),
            "image_sha256": [hashlib.sha256(RED).hexdigest()],
            "question": None,
            "images": None,
            "complete": True,
            "output": None,
        }

    def test_what_is_kept_if_asked_for(self):
        record = read(event(QUESTION, "azure/prod-4"), Keep(questions=True, images=True, outputs=True))
        assert (record["question"], record["output"]) == ("Count the dots.", "Three.")
        (image,) = record["images"]
        assert base64.b64decode(image.partition(",")[2]) == RED

    def test_a_streams_first_byte(self):
        assert read(event(QUESTION, "azure/prod-4", stream=True))["first_byte_s"] == 1.0

    def test_an_answer_in_the_place_of_another_has_no_propensity(self):
        after = SIGNALS | {"arms.failed": ["azure/prod-4"], "arms.vlm": "reader-7b"}
        record = read(event(QUESTION, "openai/reader-7b", signals=after))
        assert (record["vlm"], record["propensity"]) == ("reader-7b", None)
        assert record["tried_before"] == ["azure/prod-4"]

    def test_nor_one_without_a_decision(self):
        open_ = {"arms.vlm": None, "arms.reason": "default", "arms.problem": "none was made within 1 s"}
        record = read(event(QUESTION, "azure/prod-4", signals=open_))
        assert (record["propensity"], record["reason"], record["problem"]) == (None, "default", open_["arms.problem"])

    def test_a_failure(self):
        happened = event(QUESTION, "azure/prod-4", signals=SIGNALS, exception=RuntimeError("You asked: count the dots"))
        record = read(happened, Keep(outputs=True), succeeded=False)
        assert (record["status"], record["error"]) == ("failure", "RuntimeError"), "not what was asked"
        happened["exception"].status_code = 503
        assert read(happened, succeeded=False)["error"] == "RuntimeError 503"
        assert {record[key] for key in ("cost_usd", "prompt_tokens", "completion_tokens", "output")} == {None}

    def test_an_attempt_that_reached_no_deployment(self):
        record = read(event(QUESTION, None, signals=SIGNALS, exception=ValueError("none left")), succeeded=False)
        assert (record["vlm"], record["deployment"]) == (None, None)

    def test_without_a_router_the_vlm_is_what_was_asked_for(self):
        happened = event(QUESTION, None) | {"model": "gpt-4o", "litellm_params": {"metadata": {}}}
        assert read(happened)["vlm"] == "gpt-4o"

    def test_an_image_that_was_not_fetched(self):
        record = read(event(asks("Count.", "https://example.org/a.png"), "azure/prod-4"), Keep(questions=True))
        assert (record["question"], record["image_sha256"], record["complete"]) == ("Count.", [], False)

    @pytest.mark.parametrize("messages", [[{"role": "user", "content": "redacted-by-litellm"}], "a prompt", None, []])
    def test_messages_that_are_not_there(self, messages):
        record = read(event(messages, "azure/prod-4"), Keep(questions=True, images=True))
        assert (record["question_sha256"], record["question"], record["complete"]) == (None, None, False)


class TestLines:
    def lines(self, file):
        return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]

    def test_one_for_each_attempt(self, tmp_path):
        file = tmp_path / "outcomes.jsonl"
        logger = OutcomeLines(file, Keep())
        down = event(QUESTION, "azure/prod-4", signals=SIGNALS, exception=RuntimeError("down"))
        asyncio.run(logger.async_log_failure_event(down, None, START, END))
        asyncio.run(logger.async_log_success_event(event(QUESTION, "openai/reader-7b"), answer("3"), START, END))
        assert [line["status"] for line in self.lines(file)] == ["failure", "success"]

    def test_many_at_once_stay_whole(self, tmp_path):
        file = tmp_path / "outcomes.jsonl"
        threads = [
            threading.Thread(target=append_line, args=(file, json.dumps({"of": number, "fill": "x" * 20_000})))
            for number in range(12)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(line["of"] for line in self.lines(file)) == list(range(12))

    def test_a_line_that_was_cut_spoils_no_other(self, tmp_path):
        file = tmp_path / "outcomes.jsonl"
        append_line(file, '{"a": 1}')
        with file.open("a") as torn:
            torn.write('{"a": 2, "questi')
        append_line(file, '{"a": 3}')
        assert file.read_text().splitlines() == ['{"a": 1}', '{"a": 2, "questi', '{"a": 3}']

    def test_what_cannot_be_written_is_counted(self, tmp_path, caplog):
        (tmp_path / "outcomes.jsonl").mkdir()
        logger = OutcomeLines(tmp_path / "outcomes.jsonl", Keep())
        asyncio.run(logger.async_log_success_event(event(QUESTION, "azure/prod-4"), answer("3"), START, END))
        assert logger.lost == 1
        assert "an outcome could not be recorded: IsADirectoryError" in caplog.text


class TestTools:
    def mark(self, data):
        return asyncio.run(OutcomeLines(None, Keep()).async_pre_call_hook(None, None, data, "completion"))

    def test_a_request_that_brings_some_is_marked(self):
        tools = [{"type": "function"}]
        assert self.mark({"tools": tools})["metadata"] == {"arms_tools": True}
        assert self.mark({"tools": tools, "litellm_metadata": {"a": 1}})["litellm_metadata"] == {
            "a": 1,
            "arms_tools": True,
        }

    def test_one_without_is_not(self):
        assert self.mark({"tools": None}) == {"tools": None}


class TestFactory:
    @pytest.fixture
    def custom_logger(self, monkeypatch):
        """LiteLLM as far as it is looked at."""
        modules = {name: ModuleType(name) for name in ("litellm", "litellm.integrations")}
        modules["litellm.integrations.custom_logger"] = module = ModuleType("litellm.integrations.custom_logger")
        module.CustomLogger = type(
            "CustomLogger", (), {"__init__": lambda self: setattr(self, "message_logging", True)}
        )
        for name, made in modules.items():
            monkeypatch.setitem(sys.modules, name, made)
        return module.CustomLogger

    def test_it_is_both(self, custom_logger, tmp_path):
        logger = outcome_logger(tmp_path / "outcomes.jsonl")
        assert isinstance(logger, custom_logger)
        assert isinstance(logger, OutcomeLines)
        assert logger.message_logging
        assert "async_pre_call_hook" in vars(type(logger)), "LiteLLM looks for it in the class itself"

    def test_without_litellm(self, monkeypatch, tmp_path):
        monkeypatch.delitem(sys.modules, "litellm", raising=False)
        with pytest.raises(ArmsError, match="first: import litellm"):
            outcome_logger(tmp_path / "outcomes.jsonl")

    def test_a_folder_that_is_not_there(self, custom_logger, tmp_path):
        with pytest.raises(ArmsError, match="expected a file in a folder that is there"):
            outcome_logger(tmp_path / "nowhere/outcomes.jsonl")

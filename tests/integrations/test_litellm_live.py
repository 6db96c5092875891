"""The plugin and the logger in LiteLLM's Router and in its proxy, before servers on loopback."""

import base64
import json
import subprocess
import time
from contextlib import ExitStack
from dataclasses import replace
from types import SimpleNamespace

import pandas as pd
import pytest

from arms.importers.records.records_importer import RecordsImporter
from arms.importers.run import import_log
from arms.routers.router import Router
from tests.fakes import NAMES, PROFILES, make_router
from tests.importers.helpers import FREE
from tests.importers.logs.m2 import png
from tests.integrations.contexts import asks
from tests.integrations.proxy import environment, litellm_python, serve_proxy
from tests.integrations.upstream import serve_upstream
from tests.pipeline import ROOT

pytestmark = pytest.mark.litellm

RED = png((200, 30, 30))
PICTURE = f"data:image/png;base64,{base64.b64encode(RED).decode()}"
UP, DOWN = asks("Count the dots.", PICTURE), asks("Count them, as it is down.", PICTURE)
ASKED = {"up": UP, "down": DOWN}
TOOLS = [{"type": "function", "function": {"name": "count", "parameters": {"type": "object", "properties": {}}}}]
REQUESTS = (
    {"messages": UP},
    {"messages": UP, "stream": True},
    {"messages": UP, "tools": TOOLS},
    {"messages": DOWN},  # the first VLM fails
    {"messages": DOWN, "stream": True},  # and cools down
)
ABLE = "painter"  # the VLM that calls tools
SETTINGS = {"num_retries": 2, "allowed_fails": 0, "cooldown_time": 120}
ROUTING = """\
from arms.integrations.litellm import RoutingPlugin, outcome_logger

plugin = RoutingPlugin("router", time_limit_s=30)
outcomes = outcome_logger("outcomes.jsonl", keep_questions=True, keep_images=True)
"""


@pytest.fixture(scope="module")
def router():
    return Router(make_router([replace(profile, tools=profile.name == ABLE) for profile in PROFILES]))


@pytest.fixture
def gateway(router, tmp_path):
    """A saved router, a server for each of its VLMs, and LiteLLM's list of them."""
    router.router.save(tmp_path / "router")
    rank = {text: [one.vlm for one in router.route(messages=asked).ranking] for text, asked in ASKED.items()}
    assert rank["up"][0] != ABLE
    with ExitStack() as stack:
        servers = {vlm: stack.enter_context(serve_upstream()) for vlm in NAMES}
        servers[rank["down"][0]].fails_on = "it is down"
        costs = {"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6}
        models = [
            {
                "model_name": "auto",
                "litellm_params": {"model": f"openai/{vlm}", "api_base": server.url, "api_key": "x", **costs},
            }
            for vlm, server in servers.items()
        ]
        yield SimpleNamespace(folder=tmp_path, servers=servers, models=models, rank=rank)


def expected(gateway):
    """The VLMs that are to answer."""
    first, second = gateway.rank["up"][0], gateway.rank["down"][1]
    return [first, first, ABLE, second, second]


def check_servers(gateway):
    """The pictures arrived, streams were streams, and the one that failed was asked once."""
    first, (failed, second, *_) = gateway.rank["up"][0], gateway.rank["down"]
    asked = gateway.servers[first].asked[:2]
    assert [bool(body.get("stream")) for body in asked] == [False, True]
    assert asked[0]["messages"] == UP
    assert [body["messages"] for body in gateway.servers[failed].asked if body["messages"] == DOWN] == [DOWN]
    assert [body["messages"] for body in gateway.servers[second].asked if body["messages"] == DOWN] == [DOWN, DOWN]


def read_outcomes(gateway):
    return [json.loads(line) for line in (gateway.folder / "outcomes.jsonl").read_text().splitlines()]


def check_outcomes(gateway):
    """Five answers with their costs; those in the place of another say so."""
    failed = gateway.rank["down"][0]
    lines = read_outcomes(gateway)
    answers = [line for line in lines if line["status"] == "success"]
    assert [line["vlm"] for line in answers] == expected(gateway)
    assert [line["propensity"] for line in answers] == [1.0, 1.0, 1.0, None, None]
    assert [line["tried_before"] for line in answers] == [[], [], [], [f"openai/{failed}"], [f"openai/{failed}"]]
    assert [line["cost_usd"] for line in answers] == pytest.approx([1.7e-05] * 5)
    assert {(line["prompt_tokens"], line["completion_tokens"]) for line in answers} == {(11, 3)}
    assert [line["first_byte_s"] is not None for line in answers] == [False, True, False, False, True]
    assert all(line["complete"] and line["decision_s"] > 0 and line["latency_s"] > 0 for line in answers)
    assert failed in [line["vlm"] for line in lines if line["status"] == "failure"]
    return answers


class TestSdk:
    def test_pictures_streams_and_fallback(self, gateway):
        settings = gateway.folder / "settings.json"
        settings.write_text(
            json.dumps(
                {
                    "router": str(gateway.folder / "router"),
                    "outcomes": str(gateway.folder / "outcomes.jsonl"),
                    "model_list": gateway.models,
                    "settings": SETTINGS,
                    "requests": [one | {"metadata": {"arms_tools": "tools" in one}} for one in REQUESTS],
                }
            )
        )
        program = ROOT / "tests/integrations/litellm_sdk.py"
        done = subprocess.run(
            [litellm_python(), program, settings], env=environment(), capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr[-3000:]
        said = json.loads(done.stdout.splitlines()[-1])
        assert [answer.get("text") for answer in said["answers"]] == [f"from {vlm}" for vlm in expected(gateway)]
        assert all(said["answers"][place]["chunks"] >= 2 for place in (1, 4))
        assert said["counts"] == {"decided": 7, "again": 2}
        check_servers(gateway)
        answers = check_outcomes(gateway)
        assert [answers[place]["request_id"] for place in (0, 2, 3)] == [said["answers"][n]["id"] for n in (0, 2, 3)]


class TestProxy:
    @pytest.fixture
    def config(self, gateway):
        (gateway.folder / "routing.py").write_text(ROUTING)
        config = gateway.folder / "config.yaml"
        config.write_text(  # JSON is YAML
            json.dumps(
                {
                    "model_list": gateway.models,
                    "router_settings": {"plugins": ["routing.plugin"], **SETTINGS},
                    "litellm_settings": {"callbacks": ["routing.outcomes"]},
                }
            )
        )
        return config

    def test_pictures_streams_fallback_and_what_is_learnt_from(self, gateway, config):
        with serve_proxy(config) as proxy:
            answers = [proxy.ask(**request) for request in REQUESTS]
            self.wait_for_outcomes(gateway, len(REQUESTS))
        heads = [head for head, _ in answers]
        vlms = expected(gateway)
        assert [head["x-litellm-model-name"] for head in heads] == [f"openai/{vlm}" for vlm in vlms]
        assert [head["x-litellm-attempted-retries"] for head in heads] == ["0", "0", "0", "1", "1"]
        assert json.loads(answers[3][1])["choices"][0]["message"]["content"] == f"from {vlms[3]}"
        assert answers[4][1].count("data: {") >= 2
        assert answers[4][1].rstrip().endswith("data: [DONE]")
        check_servers(gateway)
        ids = [line["request_id"] for line in check_outcomes(gateway)]
        assert ids == [head["x-litellm-call-id"] for head in heads]
        self.check_learnt(gateway, ids)

    def wait_for_outcomes(self, gateway, number):
        """LiteLLM calls its loggers after the answer."""
        file, end = gateway.folder / "outcomes.jsonl", time.monotonic() + 120
        while time.monotonic() < end:
            if file.exists() and [line["status"] for line in read_outcomes(gateway)].count("success") == number:
                return
            time.sleep(0.2)
        pytest.fail(f"expected {number} answers, got {read_outcomes(gateway)}")

    def check_learnt(self, gateway, ids):
        """The log and somebody's verdicts become outcome tables, as docs/litellm.md says."""
        log = pd.read_json(gateway.folder / "outcomes.jsonl", lines=True)
        feedback = pd.DataFrame({"request_id": ids, "correct": [1, 0, 1, 1, 0]})
        graded = log[(log["status"] == "success") & log["complete"]].merge(feedback, on="request_id")
        graded.to_json(gateway.folder / "graded.jsonl", orient="records", lines=True)
        importer = RecordsImporter(id_column="request_id")
        report = import_log(importer, [gateway.folder / "graded.jsonl"], gateway.folder / "traffic", FREE)
        assert (report.report.queries_kept, report.report.outcomes_kept, report.images_lost) == (5, 5, 0)
        outcomes = pd.read_parquet(gateway.folder / "traffic/outcomes.parquet").set_index("query_id")
        assert outcomes.loc[ids, "correct"].tolist() == [True, False, True, True, False]
        assert outcomes["cost_usd"].tolist() == pytest.approx([1.7e-05] * 5)

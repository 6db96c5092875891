"""What the OpenAPI page says is what comes, whatever is sent."""

from contextlib import suppress

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.serve.helpers import CLIENT

CHECKS = (not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance)


PATHS = {
    "/v1/chat/completions": "post",
    "/v1/route": "post",
    "/v1/feedback": "post",
    "/v1/models": "get",
    "/v1/models/{name}": "get",
    "/v1/traffic": "get",
    "/v1/neighbours": "get",
    "/v1/neighbours/picture": "get",
    "/health": "get",
    "/ready": "get",
    "/metrics": "get",
    "/admin/reload": "post",
}
SOME = ("/v1/feedback", "/v1/models/{name}")
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)


def check(gateway, path, method, mode, examples):
    operation = schemathesis.openapi.from_url(f"{gateway.url}/openapi.json")[path][method.upper()]

    @settings(
        max_examples=examples, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(operation.as_strategy(generation_mode=mode), st.sampled_from(["auto", "arms/thrifty", "gamma", None]))
    def ask(case, model):
        if model is not None and isinstance(case.body, dict) and "model" in case.body:
            case.body["model"] = model  # few texts are one
        case.call_and_validate(checks=CHECKS)

    with suppress(Unsatisfiable):  # of some there is nothing to be done wrong
        ask()


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.value)
@pytest.mark.parametrize("path", SOME)
def test_answers_are_as_described(gateway, upstream, path, mode):
    check(gateway, path, PATHS[path], mode, examples=2)


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.value)
@pytest.mark.parametrize(("path", "method"), PATHS.items(), ids=str)
def test_more_answers_are_as_described(gateway, upstream, path, method, mode):
    check(gateway, path, method, mode, examples=100)


def test_the_page(gateway):
    paths = CLIENT.get(f"{gateway.url}/openapi.json").json()["paths"]
    assert {path: next(iter(methods)) for path, methods in paths.items()} == PATHS

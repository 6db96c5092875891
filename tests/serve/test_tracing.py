"""OpenTelemetry's names for generative AI, and the caller's trace."""

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.serve.helpers import chat, post, until

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def spans(gateway, monkeypatch):
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(gateway.inner.tracing, "tracer", provider.get_tracer("test"))
    yield exporter
    provider.shutdown()


def test_a_span_for_each_request(gateway, upstream, spans):
    upstream.how["alpha"] = "500"
    response = post(gateway, chat("alpha"), traceparent=PARENT)
    until(spans.get_finished_spans)
    (span,) = spans.get_finished_spans()
    assert span.name == "chat auto"
    assert dict(span.attributes) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "auto",
        "gen_ai.response.model": "beta",
        "gen_ai.usage.input_tokens": 1000,
        "gen_ai.usage.output_tokens": 100,
        "arms.request_id": response.headers["x-request-id"],
        "arms.chosen": "alpha",
        "arms.reason": "policy",
    }
    assert f"{span.context.trace_id:032x}" in PARENT
    assert f"{span.context.span_id:016x}" in upstream.asked[1][1]["traceparent"]


def test_an_error_is_one(gateway, upstream, spans):
    post(gateway, chat(model="gpt"))
    until(spans.get_finished_spans)
    (span,) = spans.get_finished_spans()
    assert (span.status.is_ok, span.attributes["error.type"]) == (False, "404")


def test_without_an_sdk_the_trace_is_passed_on(gateway, upstream):
    post(gateway, chat("alpha"), traceparent=PARENT)
    assert upstream.asked[0][1]["traceparent"] == PARENT

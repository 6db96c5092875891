"""OpenTelemetry: a span and a duration for each request, by the names of the conventions for generative AI.

Without an SDK of OpenTelemetry in the process, nothing is recorded, and the trace of the caller is passed on.
"""

from collections.abc import Mapping

from opentelemetry import metrics, propagate, trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from arms import __version__
from arms.serve.decisions import Answer, Decision

_NAME = "arms.serve"
OPERATION = "chat"


class Tracing:
    """What a gateway traces with; made once, as OpenTelemetry keeps every instrument."""

    def __init__(self) -> None:
        self.tracer = trace.get_tracer(_NAME, __version__)
        self._duration = metrics.get_meter(_NAME, __version__).create_histogram(
            "gen_ai.client.operation.duration", "s", "Until the end of the answer"
        )

    def begin(self, headers: Mapping[str, str]) -> "Trace":
        """The span of a request with these headers; its trace goes on here."""
        return Trace(self.tracer.start_span(OPERATION, propagate.extract(headers), SpanKind.CLIENT), self._duration)


class Trace:
    """The span of one request, and the instrument that its duration goes to."""

    def __init__(self, span: Span, duration: metrics.Histogram) -> None:
        self._span, self._duration, self._model = span, duration, ""

    def asked(self, model: str, request_id: str) -> None:
        """Note the model that was asked for."""
        self._model = model
        self._span.update_name(f"{OPERATION} {model}")
        self._span.set_attributes(
            {"gen_ai.operation.name": OPERATION, "gen_ai.request.model": model, "arms.request_id": request_id}
        )

    def decided(self, decision: Decision, failure: str | None) -> None:
        """Note what was decided."""
        self._span.set_attributes({"arms.chosen": decision.chosen, "arms.reason": decision.reason})
        if failure is not None:
            self._span.set_attribute("arms.router_failure", failure)

    def headers(self) -> dict[str, str]:
        """What tells the VLM's server of this trace."""
        carrier: dict[str, str] = {}
        propagate.inject(carrier, trace.set_span_in_context(self._span))
        return carrier

    def end(self, answer: Answer) -> None:
        """Note how it ended."""
        labels = {"gen_ai.operation.name": OPERATION, "gen_ai.request.model": self._model}
        if answer.vlm is not None:
            labels["gen_ai.response.model"] = answer.vlm
        if answer.status >= 400:
            labels["error.type"] = str(answer.status)
            self._span.set_status(Status(StatusCode.ERROR))
        self._duration.record(answer.latency_s, labels)
        self._span.set_attributes(labels)
        for key, count in (("input", answer.prompt_tokens), ("output", answer.completion_tokens)):
            if count is not None:
                self._span.set_attribute(f"gen_ai.usage.{key}_tokens", count)
        self._span.end()

"""What Prometheus reads: requests, times, tokens, costs, fallbacks, and how often the router failed."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from arms.serve.decisions import Answer

_DECISION_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2)
_ANSWER_S = (0.01, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 120, 300, 600)
NOBODY = "none"


class Metrics:
    """The metrics of one gateway."""

    def __init__(self) -> None:
        self.registry = of = CollectorRegistry()
        self.requests = Counter(
            "arms_requests", "Requests by VLM, reason and status", ("vlm", "reason", "status"), registry=of
        )
        self.decision = Histogram("arms_decision_seconds", "Until it was decided", buckets=_DECISION_S, registry=of)
        self.first_byte = Histogram(
            "arms_first_byte_seconds", "Until the first byte", ("vlm",), buckets=_ANSWER_S, registry=of
        )
        self.latency = Histogram("arms_latency_seconds", "Until the end", ("vlm",), buckets=_ANSWER_S, registry=of)
        self.tokens = Counter("arms_tokens", "As the VLMs say", ("vlm", "kind"), registry=of)
        self.cost = Counter("arms_cost_usd", "By the prices that are known", ("vlm",), registry=of)
        self.failures = Counter("arms_upstream_failures", "Answers that failed", ("vlm", "cause"), registry=of)
        self.failed_open = Counter(
            "arms_failed_open", "Requests that the router did not decide", ("cause",), registry=of
        )
        self.memory_errors = Counter("arms_memory_errors", "What the memory did not keep", ("what",), registry=of)
        self.reloads = Counter("arms_reloads", "Reloads of the router", ("result",), registry=of)
        self.running = Gauge("arms_running", "Requests that run", registry=of)
        self.waiting = Gauge("arms_waiting", "Requests that wait for the router", registry=of)
        self.circuit = Gauge("arms_circuit_open", "1 while a VLM is left alone", ("vlm",), registry=of)

    def left_alone(self, vlm: str, is_open: bool) -> None:
        """Note whether a VLM is left alone."""
        self.circuit.labels(vlm).set(int(is_open))

    def answered(self, answer: Answer, reason: str) -> None:
        """Note how a request ended."""
        vlm = answer.vlm or NOBODY
        self.requests.labels(vlm, reason, str(answer.status)).inc()
        self.latency.labels(vlm).observe(answer.latency_s)
        if answer.first_byte_s is not None:
            self.first_byte.labels(vlm).observe(answer.first_byte_s)
        for kind, count in (("prompt", answer.prompt_tokens), ("completion", answer.completion_tokens)):
            if count is not None:
                self.tokens.labels(vlm, kind).inc(max(0, count))
        if answer.cost_usd is not None:
            self.cost.labels(vlm).inc(max(0.0, answer.cost_usd))

    def page(self) -> bytes:
        """The text that Prometheus reads."""
        return generate_latest(self.registry)

"""What the gateway records of a request: what was decided, how it ended, and what was said of the answer."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What the router decided, recorded before the first byte goes upstream.

    Attributes
    ----------
    request_id : str
        Unique; the X-Request-Id given or made.
    time : datetime
        UTC.
    image_sha256 : tuple of str
        Of the files of the images asked about, in their order.
    question_sha256 : str
        Of what the router read: the context, then the question.
    question : str or None
        Only if keeping is asked for.
    images : tuple of bytes, or None
        As above.
    policy : str
        As JSON.
    confidences : dict of str to float
        Of the VLMs that could be chosen: those that could answer, within the request's budget.
    unable : dict of str to str
        The VLMs that could not, and why.
    novelty : float or None
        How unlike the training queries it is, where the router knows.
    chosen : str
        By the router or by exploration.
    greedy : str
        What the policy would have chosen.
    propensity : float
        The chance with which `chosen` was drawn.
    reason : str
        policy, explore, sticky, default (failed open), named, shadow.
    router : str
        Checksum or name of the router.
    session : str or None
    expected_cost_usd : float or None
        Of `chosen`.
    """

    request_id: str
    time: datetime
    image_sha256: tuple[str, ...]
    question_sha256: str
    question: str | None
    images: tuple[bytes, ...] | None
    policy: str
    confidences: dict[str, float]
    unable: dict[str, str]
    novelty: float | None
    chosen: str
    greedy: str
    propensity: float
    reason: str
    router: str
    session: str | None
    expected_cost_usd: float | None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """How a request ended.

    Attributes
    ----------
    request_id : str
    vlm : str or None
        That answered.
    fallbacks : tuple of str
        The VLMs that were asked before it and failed, in their order.
    status : int
        Of HTTP; 499 where the client left.
    decision_s : float
        Until the router had decided.
    first_byte_s, latency_s : float
        From the request to the first byte of the answer, and to its end.
    prompt_tokens, completion_tokens : int or None
        As the VLM says.
    cost_usd : float or None
        By these and the prices of the settings.
    output : str or None
        Only if keeping is asked for.
    """

    request_id: str
    vlm: str | None
    fallbacks: tuple[str, ...]
    status: int
    decision_s: float
    first_byte_s: float | None
    latency_s: float
    prompt_tokens: int | None
    completion_tokens: int | None
    cost_usd: float | None
    output: str | None


@dataclass(frozen=True, kw_only=True)
class Feedback:
    """What a user or a judge says of an answer; of another VLM than the one that answered, if `vlm` names one."""

    request_id: str
    vlm: str | None
    correct: bool | None
    score: float | None  # in [0, 1]
    time: datetime

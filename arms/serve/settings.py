"""The settings of the gateway, one YAML, read and checked as params.yaml is; here most settings have a default."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from arms.data.pictures import MOST_PIXELS
from arms.errors import ArmsError
from arms.params.section import PositiveFloat, PositiveInt, Section, Share, read_section
from arms.selection.policies import POLICIES

AUTO = "auto"
POLICY_PREFIX = "arms/"
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def _check_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f"expected an address such as https://api.example.com/v1, got {url!r}")
    return url.rstrip("/")


def _check_vlm(name: str) -> str:
    if name == AUTO or name.startswith(POLICY_PREFIX) or not name.strip() or not name.isprintable():
        raise ValueError(f"expected the name of a VLM, not {AUTO} and not one that begins with arms/, got {name!r}")
    return name


def _check_policy(policy: dict[str, Any]) -> dict[str, Any]:
    if policy.get("name") not in POLICIES:
        raise ValueError(f"expected a policy with a name, one of {', '.join(POLICIES)}, got {policy!r}")
    return policy


Url = Annotated[str, AfterValidator(_check_url)]
VlmName = Annotated[str, AfterValidator(_check_vlm)]
Policy = Annotated[dict[str, Any], AfterValidator(_check_policy)]


class TimeoutSettings(Section):
    """How long a VLM may take; what takes longer has failed."""

    connect_s: PositiveFloat = Field(default=5.0, description="until it is connected")
    first_byte_s: PositiveFloat = Field(default=60.0, description="until a stream's first chunk")
    between_s: PositiveFloat = Field(default=60.0, description="between two chunks of a stream")
    total_s: PositiveFloat = Field(default=600.0, description="until the end of the answer")


class UpstreamSettings(Section):
    """Where a VLM answers, what it can take, what it costs."""

    base_url: Url = Field(description="of an API like OpenAI's, with its version, such as https://api.example.com/v1")
    model: str = Field(min_length=1, description="the VLM's name there")
    key_env: str | None = Field(
        default=None, description="the environment variable that holds the key for it; null: none"
    )
    max_images: int | None = Field(default=None, ge=0, description="in one request; null: as the router knows")
    context_tokens: PositiveInt | None = Field(
        default=None, description="of prompt and answer; null: as the router knows"
    )
    tools: bool | None = Field(default=None, description="whether it calls tools; null: as the router knows")
    price_in: float | None = Field(
        default=None, ge=0, description="USD per million prompt tokens; null: as the router knows"
    )
    price_out: float | None = Field(
        default=None, ge=0, description="USD per million output tokens; null: as the router knows"
    )
    retries: int = Field(
        default=1, ge=0, le=5, description="tries after one that failed in passing, before the next VLM"
    )
    timeouts: TimeoutSettings = TimeoutSettings()

    @model_validator(mode="after")
    def _both_prices(self) -> "UpstreamSettings":
        if (self.price_in is None) != (self.price_out is None):
            raise ValueError("expected price_in and price_out, or neither")
        return self


class DecisionSettings(Section):
    """The router beside the event loop."""

    limit_s: PositiveFloat = Field(default=1.0, description="a decision that takes longer is not waited for")
    batch: PositiveInt = Field(default=16, description="requests that the router decides at once, at most")
    waiting: PositiveInt = Field(default=256, description="requests that wait for the router, at most")
    context_tokens: int = Field(default=32, ge=0, description="tokens of earlier turns that the router reads too")
    cache_mb: float = Field(
        default=64.0, ge=0, description="MiB of features of recent pictures, and as many of questions, that are kept"
    )
    why: bool = Field(default=True, description="ask the router how new each query is, where it can say")


class PictureSettings(Section):
    """Pictures that stand in a request by their address."""

    fetch: bool = Field(
        default=True, description="download them for the router; false: the default VLM answers such requests"
    )
    inline: bool = Field(default=False, description="send VLMs what was downloaded, as a data URI, and not the address")
    allow_hosts: list[str] = Field(default=[], description="hosts that may be private, use http and any port")
    timeout_s: PositiveFloat = Field(default=5.0, description="for all pictures of a request")
    most_mb: PositiveFloat = Field(default=20.0, description="MiB of one picture")
    redirects: int = Field(default=3, ge=0, le=10, description="redirections that are followed, each checked anew")


class LimitSettings(Section):
    """What a request may be at most."""

    body_mb: PositiveFloat = Field(default=32.0, description="MiB of a request")
    body_s: PositiveFloat = Field(default=30.0, description="seconds to send it in")
    answer_mb: PositiveFloat = Field(
        default=64.0, description="MiB of an answer that is no stream, or of one event of a stream"
    )
    images: PositiveInt = Field(default=32, description="images in a request")
    pixels: int = Field(default=MOST_PIXELS, ge=1, le=MOST_PIXELS, description="pixels of an image")
    running: PositiveInt = Field(default=256, description="requests at a time")


class SessionSettings(Section):
    """Sessions stay with their VLM."""

    margin: float = Field(
        default=0.1, ge=0, le=1, description="confidence by which another VLM must be ahead to switch"
    )
    most: PositiveInt = Field(default=10_000, description="sessions that are remembered")
    keep_s: PositiveFloat = Field(default=3600.0, description="for so long after their last answer")


class BreakerSettings(Section):
    """A VLM that fails again and again is left alone for a while."""

    failures: PositiveInt = Field(default=5, description="failures in a row")
    pause_s: PositiveFloat = Field(default=30.0, description="until it is tried again")


class KeepSettings(Section):
    """What the memory holds besides numbers and hashes."""

    questions: bool = Field(default=False, description="the questions as the router reads them")
    images: bool = Field(default=False, description="the images asked about")
    outputs: bool = Field(default=False, description="the text of the answers")


class PageSettings(Section):
    """The page at /."""

    use: bool = Field(default=True, description="serve the page at /, with its view of the traffic")
    pictures: str | None = Field(
        default=None,
        description="the folder of the dataset that the router was trained on, such as data/raw/mine: questions and "
        "pictures of the nearest queries are shown to all who may ask; null: only ids",
    )


class ServeSettings(Section):
    """All settings of `arms serve`."""

    router: str = Field(min_length=1, description="a trained router's folder, or its URL, as s3://bucket/router")
    default: str = Field(description="the VLM that answers when the router cannot decide; the best single one")
    upstreams: dict[VlmName, UpstreamSettings] = Field(
        min_length=1, description="by the VLM's name, as the router has it"
    )
    policies: dict[str, Policy] = Field(default={}, description="selection policies by name; models are arms/<name>")
    host: str = Field(default="127.0.0.1", description="the address to listen on; others than loopback need keys")
    port: int = Field(default=8000, ge=1, le=65535, description="the port to listen on")
    hosts: list[str] | None = Field(
        default=None, description="host names that requests may be for; null: of loopback, or any where keys are needed"
    )
    keys_env: str | None = Field(
        default=None, description="the environment variable with the keys of clients, with commas between"
    )
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="auto: a GPU if there is one")
    explore: Share = Field(default=0.0, description="share of the requests for which the VLM is drawn at random")
    shadow: bool = Field(default=False, description="decide and record, but let the default answer")
    memory: str = Field(
        default="none",
        min_length=1,
        description="where decisions, answers and feedback are kept: a SQLite file, or the URL of a database; "
        "none: nowhere",
    )
    memory_s: PositiveFloat = Field(
        default=1.0, description="a decision that takes longer to be kept is not waited for"
    )
    fallbacks: int = Field(default=3, ge=0, description="VLMs that are asked after the chosen one has failed, at most")
    drain_s: PositiveInt = Field(default=30, description="seconds in which running requests may end at a stop")
    decision: DecisionSettings = DecisionSettings()
    pictures: PictureSettings = PictureSettings()
    limits: LimitSettings = LimitSettings()
    sessions: SessionSettings = SessionSettings()
    breaker: BreakerSettings = BreakerSettings()
    keep: KeepSettings = KeepSettings()
    page: PageSettings = PageSettings()

    @model_validator(mode="after")
    def _fits_together(self) -> "ServeSettings":
        if self.default not in self.upstreams:
            raise ValueError(f"default: expected one of upstreams ({', '.join(self.upstreams)}), got {self.default!r}")
        if self.host not in LOOPBACK and self.keys_env is None:
            raise ValueError(
                f"host: expected keys_env beside {self.host!r}, as others can reach it; or host: 127.0.0.1"
            )
        return self

    @property
    def allowed_hosts(self) -> list[str]:
        """The host names that requests may be for; where keys are needed, a web page gains nothing by another name."""
        if self.hosts is not None:
            return self.hosts
        return list(LOOPBACK) if self.keys_env is None else ["*"]


def read_serve_settings(path: Path) -> ServeSettings:
    """Read the gateway's settings; raise ArmsError with the key, the value and what is allowed."""
    return read_section(path, ServeSettings)


def secret(name: str, where: str, environment: Mapping[str, str] = os.environ) -> str:
    """The value of an environment variable that a setting names; an ArmsError without one."""
    value = environment.get(name, "").strip()
    if not value:
        raise ArmsError(f"{where}: expected the environment variable {name} to be set, it is not; export it")
    return value

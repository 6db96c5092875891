"""Settings of a text encoder that is the fake server's model."""

from typing import Any

from arms.encoders.pair import EncoderPair, build_encoders
from arms.encoders.remote.probe import write_pin
from arms.params.encoders import EncodersParams
from arms.params.section import check
from tests.encoders.remote.fake_server import FakeServer
from tests.fakes import image_params

PROBE = "The quick brown fox."


def server_settings(fake: FakeServer, **changes: Any) -> dict[str, Any]:
    """The section `server`."""
    settings = {
        "url": fake.url,
        "key_env": "ARMS_TEST_KEY",
        "encoding": "base64",
        "batch_size": 4,
        "timeout_s": 5.0,
        "retries": 3,
    }
    return settings | changes


def text_settings(fake: FakeServer, **changes: Any) -> dict[str, Any]:
    """The section `text`, pinned to the model as it is."""
    settings = {
        "library": "openai",
        "model": fake.model,
        "architecture": None,
        "vocabulary_size": None,
        "pooling": "own",
        "max_tokens": 200,
        "tunable_layers": 0,
        "precision": "float32",
        "probe": {"text": PROBE, "vector": write_pin(fake.vector(PROBE)), "tolerance": 0.02},
    }
    return settings | changes


def pair_settings(fake: FakeServer, **text: Any) -> dict[str, Any]:
    """A whole file of conf/encoders."""
    image = image_params().model_dump()
    return {"image": image, "text": text_settings(fake, **text), "server": server_settings(fake)}


def pair_params(fake: FakeServer, **text: Any) -> EncodersParams:
    """The same, checked."""
    return check(EncodersParams, pair_settings(fake, **text), "conf/encoders/served.yaml")


def make_pair(fake: FakeServer, **text: Any) -> EncoderPair:
    """A tiny image encoder, and the server's model."""
    return build_encoders(pair_params(fake, **text), seed=1)

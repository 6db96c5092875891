"""The gateway's settings: what is refused, and how it is said."""

import pytest

from arms.errors import ArmsError
from arms.serve.settings import read_serve_settings

GOOD = """\
router: data/routers/arms
default: small
upstreams:
  small: {base_url: http://127.0.0.1:8001/v1/, model: small-2b}
  large: {base_url: https://api.test/v1, model: large, key_env: LARGE_KEY, price_in: 3, price_out: 15}
policies:
  thrifty: {name: cheapest, tau: 0.7, of: cost}
"""


def read(tmp_path, text):
    (tmp_path / "serve.yaml").write_text(text, encoding="utf-8")
    return read_serve_settings(tmp_path / "serve.yaml")


def test_values(tmp_path):
    settings = read(tmp_path, GOOD)
    assert settings.upstreams["small"].base_url == "http://127.0.0.1:8001/v1"
    assert settings.upstreams["large"].price_out == 15
    assert (settings.host, settings.explore, settings.memory) == ("127.0.0.1", 0.0, "none")
    assert read(tmp_path, GOOD + "host: 0.0.0.0\nkeys_env: KEYS\n").host == "0.0.0.0"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("default: small\n", "", r"serve\.yaml\.default: missing$"),
        (
            "default: small",
            "default: tiny",
            r"serve\.yaml: default: expected one of upstreams \(small, large\), got 'tiny'",
        ),
        ("price_out: 15", "x: 1", r"upstreams\.large: unknown key 'x'; known: base_url, model"),
        (", price_out: 15", "", "expected price_in and price_out, or neither"),
        ("http://127.0.0.1:8001/v1/", "api.test/v1", r"upstreams\.small\.base_url: expected an address such as"),
        ("  small:", "  auto:", r"expected the name of a VLM, not auto"),
        ("  small:", "  arms/small:", r"expected the name of a VLM, not auto and not one that begins with arms/"),
        ("name: cheapest", "name: cheap", r"policies\.thrifty: expected a policy with a name, one of argmax"),
        ("policies:", "explore: 1.0\npolicies:", r"serve\.yaml\.explore: expected less than 1, got 1\.0"),
        ("policies:", "host: 0.0.0.0\npolicies:", "expected keys_env beside '0.0.0.0', as others can reach it"),
        ("policies:", "drain: 3\npolicies:", "unknown key 'drain'; known: router, default"),
        ("policies:", "limits: {body_mb: 0}\npolicies:", r"limits\.body_mb: expected greater than 0, got 0"),
    ],
)
def test_what_is_refused(tmp_path, old, new, message):
    assert old in GOOD
    with pytest.raises(ArmsError, match=message):
        read(tmp_path, GOOD.replace(old, new))

"""The settings on docs/serve.md are ones, and all of them."""

import json

from ruamel.yaml import YAML

from arms.params.section import Section, check
from arms.serve.settings import ServeSettings
from tests.docs.markdown import read_blocks
from tests.pipeline import ROOT

BLOCKS = [
    YAML(typ="safe", pure=True).load(block.text)
    for block in read_blocks((ROOT / "docs/serve.md").read_text(encoding="utf-8"))
    if block.language == "yaml"
]
REQUIRED = ("router", "default", "upstreams")


def test_the_first_example():
    settings = check(ServeSettings, BLOCKS[0], "docs/serve.md")
    assert settings.policies["thrifty"]["tau"] == 0.7
    assert settings.upstreams["sim-atlas"].price_out == 15


def test_every_setting_stands_there_with_its_default():
    everything = BLOCKS[1]
    settings = check(ServeSettings, everything, "docs/serve.md")
    (upstream,) = everything["upstreams"].values()
    bare = {key: upstream[key] for key in ("base_url", "model")}
    defaults = ServeSettings.model_validate(
        {key: everything[key] for key in REQUIRED} | {"upstreams": dict.fromkeys(everything["upstreams"], bare)}
    )
    assert settings == defaults
    assert json.dumps(written(everything)) == json.dumps(written(settings.model_dump()))


def written(content):
    """The names of the settings, in their order."""
    if not isinstance(content, dict):
        return None
    return {key: written(value) for key, value in content.items()}


def test_every_setting_says_what_it_does():
    def missing(section):
        for name, field in section.model_fields.items():
            inner = field.annotation
            if isinstance(inner, type) and issubclass(inner, Section):
                yield from missing(inner)
            elif not field.description:
                yield f"{section.__name__}.{name}"

    assert list(missing(ServeSettings)) == []

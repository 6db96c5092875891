"""Every setting is on the page, with its meaning; the page in docs/ is the one that is generated."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from click.testing import CliRunner
from pydantic import Field
from ruamel.yaml import YAML

from arms.baselines.registry import ROUTERS
from arms.cli import main
from arms.params.data import PoolParams
from arms.params.encoders import ImageEncoderParams, PairEncoderParams, ProbeParams, ServerParams, TextEncoderParams
from arms.reports.settings_page import describe_type, read_settings, settings_page

ROOT = Path(__file__).resolve().parents[2]
FILES = {
    "params.yaml": "params.yaml",
    "conf/data/<name>.yaml": "conf/data/sample.yaml",
    "conf/encoders/<name>.yaml": "conf/encoders/bundled.yaml",
    "conf/presets/<name>.yaml": "conf/presets/published.yaml",
}


MAY_BE_LEFT_OUT = {
    f"{name}.{key}"
    for name, section in (("image", ImageEncoderParams), ("text", TextEncoderParams))
    for key, field in section.model_fields.items()
    if not field.is_required()
} | {
    name
    for parent, section in (("pair", PairEncoderParams), ("server", ServerParams), ("text.probe", ProbeParams))
    for name in (parent, *(f"{parent}.{key}" for key in section.model_fields))
}


def names_in(content: dict[str, Any], free: Collection[str], parent: str = "") -> set[str]:
    """The dotted names of all values; a mapping named in `free` is one value, as it may hold any key."""
    names = set()
    for key, value in content.items():
        name = f"{parent}.{key}" if parent else key
        inner = isinstance(value, dict) and key not in free
        names |= names_in(value, free, name) if inner else {name}
    return names


def test_every_setting_is_there_with_its_meaning_and_its_value():
    found = read_settings(ROOT)
    for file, path in FILES.items():
        free = ("router", "train", "extend", "safe") if "presets" in file else ("baselines", "architecture")
        written = names_in(YAML(typ="safe", pure=True).load(ROOT / path), free)
        names = {setting.name for setting in found if setting.file == file} - {"sample"}
        assert written <= names
        assert names - written <= (MAY_BE_LEFT_OUT if "encoders" in file else set())
    without = [setting.name for setting in found if not setting.meaning]
    assert not without, "these fields of arms/params have no description"
    (rate,) = [setting for setting in found if setting.name == "train.learning_rate"]
    assert (rate.section, rate.kind, rate.value) == ("train", "number, above 0", 0.001)


def test_the_page_in_docs_is_the_generated_one():
    assert (ROOT / "docs/settings.md").read_text(encoding="utf-8") == settings_page(ROOT), "run: make docs"


def test_the_page_lists_every_router():
    page = settings_page(ROOT)
    for name in ROUTERS:
        assert f"\n| `{name}` | " in page
    assert "`num_neighbours`: list of one or more: whole number, at least 1" in page
    assert "`seed`" not in page.partition("## The routers")[2], "the pipeline gives it"


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (Annotated[int, Field(ge=1)], "whole number, at least 1"),
        (Annotated[float, Field(ge=0, lt=1)], "number, at least 0, below 1"),
        (Annotated[float, Field(gt=0)] | None, "number, above 0, or `null`"),
        (int | Literal["auto"], "whole number, or `auto`"),
        (Literal["a", "b", "c"], "`a`, `b` or `c`"),
        (bool, "`true` or `false`"),
        (Annotated[list[str], Field(min_length=1)], "list of one or more: text"),
        (list[Annotated[int, Field(ge=1)]], "list: whole number, at least 1"),
        (dict[str, Any] | None, "mapping, or `null`"),
        (PoolParams | None, "section, or `null`"),
    ],
)
def test_types_in_words(annotation, words):
    assert describe_type(annotation) == words


def test_the_command(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    run = CliRunner().invoke
    assert run(main, ["settings"]).output == settings_page()
    listed = json.loads(run(main, ["settings", "--json"]).output)
    assert {"name": "epochs", "file": "params.yaml", "section": "", "key": "epochs"}.items() <= listed[3].items()
    out = tmp_path / "new" / "settings.md"
    assert run(main, ["settings", "--out", str(out)]).exit_code == 0
    assert out.read_text(encoding="utf-8") == settings_page()
    both = run(main, ["settings", "--out", str(out), "--json"])
    assert both.exit_code == 2
    assert "expected --json or --out, got both" in both.output


def test_the_command_outside_a_project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["settings"])
    assert result.exit_code == 1
    assert "params.yaml: no such settings file" in result.output

"""The page of all settings, from `arms.params`: each field's description, its type in words, its value now."""

import inspect
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

import annotated_types as at
from pydantic.fields import FieldInfo

from arms.baselines.registry import ROUTERS, find_router, settings_of
from arms.params.data import read_data_params
from arms.params.encoders import read_encoders_params
from arms.params.section import Section
from arms.params.tree import read_params, read_preset_params

# How each file is read; of those under conf/ the page shows one each.
_FILES: dict[str, Callable[[Path], Section]] = {
    "params.yaml": read_params,
    "conf/data/<name>.yaml": partial(read_data_params, "sample"),
    "conf/encoders/<name>.yaml": partial(read_encoders_params, "bundled"),
    "conf/presets/<name>.yaml": partial(read_preset_params, "published"),
}
_SHOWN = {
    "conf/data/<name>.yaml": "conf/data/sample.yaml",
    "conf/encoders/<name>.yaml": "conf/encoders/bundled.yaml",
    "conf/presets/<name>.yaml": "conf/presets/published.yaml",
}
_SHOWN_LENGTH = 60  # of a text, characters
_KINDS = {bool: "`true` or `false`", str: "text", int: "whole number", float: "number", Any: "anything"}

_HEAD = """\
# Every setting

*At the end of this page you know what can be set, where, and what each setting does.*

`params.yaml` and the three files under `conf/` that it names hold all settings; none has a default anywhere else,
but those that files of encoders may leave out, such as `library`: they then have the value that this page shows.
`dvc exp run -S train.batch_size=32` changes one for one experiment; one under `conf/` is written with its file, as in
`-S conf/encoders/bundled.yaml:image.tunable_layers=1`. An unknown key, a wrong type or a value out of range is an error
that names the key. Values of the preset win over those of `params.yaml`: with `preset: published` the number of epochs
is changed by `-S conf/presets/published.yaml:epochs=8`, and `-S epochs=8` changes nothing. What only changes speed is
under `runtime:` and re-runs nothing.

This page is written by `arms settings --out docs/settings.md`; `arms settings --json` prints the same for a program."""

_ROUTERS_HEAD = """\
## The routers of `baselines`

Each key of `baselines` is a router of `arms/baselines/registry.py` or of another package's entry point; its settings
are the keyword arguments of the router's class, whose docstring says what each one does. A key may be any other name if
it says `router: <name>`, so one router can be there several times with other settings. From a list of candidates ARMS
takes the one with the best EM on val."""


@dataclass(frozen=True)
class Setting:
    """One setting, or a section that may be left out.

    Attributes
    ----------
    file : str
        The file that holds it, such as conf/data/<name>.yaml.
    section, key : str
        Dotted; the section is empty at the top of the file.
    kind : str
        What is allowed, in words, in Markdown.
    value
        The value there now.
    meaning : str
    """

    file: str
    section: str
    key: str
    kind: str
    value: Any
    meaning: str

    @property
    def name(self) -> str:
        """The dotted name."""
        return f"{self.section}.{self.key}" if self.section else self.key


def read_settings(root: Path = Path()) -> list[Setting]:
    """Every setting of a project's folder, in the order of `arms.params`.

    Raises
    ------
    ArmsError
        If a settings file is missing or cannot be used.
    """
    return [found for file, read in _FILES.items() for part in _parts(file, read(root)) for found in part.settings]


def settings_page(root: Path = Path()) -> str:
    """The page in Markdown; errors as `read_settings`."""
    text = [_HEAD]
    for file, read in _FILES.items():
        text.append(f"## `{file}`")
        if file in _SHOWN:
            text.append(f"Values of `{_SHOWN[file]}`.")
        lines = ["| setting | allowed | now | what it does |", "|---|---|---|---|"]
        for part in _parts(file, read(root)):
            if part.name:
                lines.append(f"| **{part.name}** | | | {_cell(part.purpose)} |")
            for setting in part.settings:
                value = f"`{_cell(_shown(setting.value))}`"
                lines.append(f"| `{setting.name}` | {_cell(setting.kind)} | {value} | {_cell(setting.meaning)} |")
        text.append("\n".join(lines))
    return "\n\n".join([*text, _ROUTERS_HEAD, _routers_table()]) + "\n"


def describe_type(annotation: Any, constraints: Iterable[Any] = ()) -> str:
    """A type of `arms.params` in words, such as "whole number, at least 1"."""
    limits = list(constraints)
    while get_origin(annotation) is Annotated:
        annotation, *more = get_args(annotation)
        limits += more
    bounds = _bounds(limits)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return _either([f"`{word}`" for word in arguments])
    if origin in (UnionType, Union):
        words = [describe_type(part, limits) for part in arguments if part is not NoneType]
        return ", or ".join([*words, *(["`null`"] if NoneType in arguments else [])])
    if origin is list:
        filled = " of one or more" if any(isinstance(limit, at.MinLen) for limit in _flat(limits)) else ""
        return f"list{filled}: {describe_type(arguments[0])}"
    if origin is dict or annotation is dict:
        return "mapping"
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return "section"
    return ", ".join([_KINDS[annotation], *([bounds] if bounds else [])])


def _bounds(limits: Iterable[Any]) -> str:
    """What a field's limits allow, such as "at least 0, below 1"."""
    words = ((at.Ge, "ge", "at least"), (at.Gt, "gt", "above"), (at.Le, "le", "at most"), (at.Lt, "lt", "below"))
    return ", ".join(
        f"{word} {getattr(limit, name):g}"
        for limit in _flat(limits)
        for kind, name, word in words
        if isinstance(limit, kind)
    )


def _flat(limits: Iterable[Any]) -> Iterator[Any]:
    """The limits, those of a pydantic `Field` one by one."""
    for limit in limits:
        yield from limit.metadata if isinstance(limit, FieldInfo) else (limit,)


class _Part(NamedTuple):
    """A section of a file with its own settings; the sections in it are parts of their own."""

    name: str  # dotted
    purpose: str
    settings: list[Setting]


def _parts(file: str, values: Section) -> Iterator[_Part]:
    """The sections of a file, from the outside in."""
    yield from _parts_from(file, "", type(values), values.model_dump())


def _parts_from(file: str, name: str, section: type[Section], values: dict[str, Any]) -> Iterator[_Part]:
    own, inner = [], []
    for key, field in section.model_fields.items():
        nested = _section_in(field.annotation)
        if nested is not field.annotation:  # a section that may be null is a setting too
            kind = describe_type(field.annotation, field.metadata)
            own.append(Setting(file, name, key, kind, values.get(key), field.description or ""))
        if nested:
            inner.append((f"{name}.{key}" if name else key, nested, values.get(key) or {}))
    yield _Part(name, (inspect.getdoc(section) or "").splitlines()[0], own)
    for part in inner:
        yield from _parts_from(file, *part)


def _section_in(annotation: Any) -> type[Section] | None:
    """The section that a field holds, if it holds one."""
    options = (annotation, *get_args(annotation))
    return next((part for part in options if isinstance(part, type) and issubclass(part, Section)), None)


@cache
def _routers_table() -> str:
    """Every router of the registry with what it is and its settings."""
    lines = ["| router | what it is | settings |", "|---|---|---|"]
    for name in ROUTERS:
        router = find_router(name)
        kinds = {key: kind for key, (kind, _) in settings_of(router).items() if key != "seed"}
        settings = "<br>".join(f"`{key}`: {describe_type(kind)}" for key, kind in kinds.items()) or "none"
        lines.append(f"| `{name}` | {_cell(_summary(router))} | {_cell(settings)} |")
    return "\n".join(lines)


def _summary(router: type) -> str:
    """The first sentence of a router's docstring."""
    return " ".join((inspect.getdoc(router) or "").partition("\n\n")[0].split())


def _either(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _shown(value: Any) -> str:
    """A value as one would write it in YAML, cut if it is long."""
    if isinstance(value, list | dict):  # of a mapping the keys
        return f"[{', '.join(map(_shown, value))}]"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN_LENGTH else f"{text[: _SHOWN_LENGTH - 3]}..."


def _cell(text: str) -> str:
    return text.replace("|", "\\|")

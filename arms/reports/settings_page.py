"""The page of all settings, from `arms.params`: what a field's comment says, its type in words, its value now."""

import ast
import inspect
import io
import json
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import annotated_types as at
from pydantic.fields import FieldInfo

from arms.baselines.registry import ROUTERS, find_router
from arms.params import (
    DataParams,
    EncodersParams,
    Params,
    Section,
    read_data_params,
    read_encoders_params,
    read_params,
)

# The files whose values the page shows: the defaults of a fresh checkout.
_DATA, _ENCODERS = "sample", "bundled"
_SHOWN_LENGTH = 60  # of a text, characters
_KINDS = {bool: "`true` or `false`", str: "text", int: "whole number", float: "number", Any: "anything"}

_HEAD = """\
# Every setting

*At the end of this page you know what can be set, where, and what each setting does.*

All settings stand in `params.yaml` and in the two files under `conf/` that it names; none has a default anywhere else.
`dvc exp run -S train.batch_size=32` changes one for one experiment; one under `conf/` is written with its file, as in
`-S conf/encoders/bundled.yaml:image.tunable_layers=1`. An unknown key, a wrong type or a value out of range is an error
that names the key. What only changes speed stands under `runtime:` and re-runs nothing.

This page is written by `arms settings --out docs/settings.md`; `arms settings --json` prints the same for a program."""

_ROUTERS_HEAD = """\
## The routers of `baselines`

Each key of `baselines` is a router of `arms/baselines/registry.py` or of another package's entry point; its settings
are the keyword arguments of the router's class, whose docstring says what each one does. A key that is no router's name
says which one it is with `router: <name>`, so that one kind can stand there several times. Of a list of candidates the
one with the best EM on val is taken."""


@dataclass(frozen=True)
class Setting:
    """One setting, or a section that may be left out.

    Attributes
    ----------
    file : str
        Where it stands, such as conf/data/<name>.yaml.
    section, key : str
        Dotted; the section is empty at the top of the file.
    kind : str
        What is allowed, in words, in Markdown.
    value
        What stands there now.
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
    files: tuple[tuple[str, type[Section], Section], ...] = (
        ("params.yaml", Params, read_params(root)),
        ("conf/data/<name>.yaml", DataParams, read_data_params(_DATA, root)),
        ("conf/encoders/<name>.yaml", EncodersParams, read_encoders_params(_ENCODERS, root)),
    )
    return [found for file, section, values in files for found in _walk(file, section, values.model_dump(), "")]


def settings_page(root: Path = Path()) -> str:
    """The page in Markdown; errors as `read_settings`."""
    parts = [_HEAD]
    found = read_settings(root)
    purposes = _purposes()
    for file in dict.fromkeys(setting.file for setting in found):
        of_file = [setting for setting in found if setting.file == file]
        parts.append(f"## `{file}`")
        if shown := {"conf/data/<name>.yaml": _DATA, "conf/encoders/<name>.yaml": _ENCODERS}.get(file):
            parts.append(f"Values of `{file.replace('<name>', shown)}`.")
        lines = ["| setting | allowed | now | what it does |", "|---|---|---|---|"]
        section = ""
        for setting in of_file:
            if setting.section != section:
                section = setting.section
                lines.append(f"| **{section}** | | | {_cell(purposes[file, section])} |")
            value = f"`{_cell(_shown(setting.value))}`"
            lines.append(f"| `{setting.name}` | {_cell(setting.kind)} | {value} | {_cell(setting.meaning)} |")
        parts.append("\n".join(lines))
    return "\n\n".join([*parts, _ROUTERS_HEAD, _routers_table()]) + "\n"


def comments_of(section: type[Section]) -> dict[str, str]:
    """The comment behind each field of a section's class; a field without one is left out."""
    source = inspect.getsource(section)
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    comments = {token.start[0]: token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT}
    (body,) = ast.parse(source).body
    assert isinstance(body, ast.ClassDef)
    found = {}
    for node in body.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            lines = range(node.lineno, (node.end_lineno or node.lineno) + 1)
            if text := " ".join(comments[line] for line in lines if line in comments):
                found[node.target.id] = text
    return found


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


def _walk(file: str, section: type[Section], values: dict[str, Any], name: str) -> Iterator[Setting]:
    """The settings of one section: first its own, then those of the sections in it."""
    comments, inner = comments_of(section), []
    for key, field in section.model_fields.items():
        nested = _section_in(field.annotation)
        if nested is not None:
            inner.append((nested, key))
        if nested is None or field.annotation is not nested:
            kind = describe_type(field.annotation, field.metadata)
            yield Setting(file, name, key, kind, values[key], comments.get(key, ""))
    for nested, key in inner:
        yield from _walk(file, nested, values[key] or {}, f"{name}.{key}" if name else key)


def _section_in(annotation: Any) -> type[Section] | None:
    """The section that a field holds, if it holds one."""
    options = (annotation, *get_args(annotation))
    return next((part for part in options if isinstance(part, type) and issubclass(part, Section)), None)


def _purposes() -> dict[tuple[str, str], str]:
    """The first line of every section's docstring."""
    found: dict[tuple[str, str], str] = {}

    def visit(file: str, section: type[Section], name: str) -> None:
        found[file, name] = (inspect.getdoc(section) or "").splitlines()[0]
        for key, field in section.model_fields.items():
            if (nested := _section_in(field.annotation)) is not None:
                visit(file, nested, f"{name}.{key}" if name else key)

    for file, section in (
        ("params.yaml", Params),
        ("conf/data/<name>.yaml", DataParams),
        ("conf/encoders/<name>.yaml", EncodersParams),
    ):
        visit(file, section, "")
    return found


@cache
def _routers_table() -> str:
    """Every router of the registry with what it is and its settings."""
    lines = ["| router | what it is | settings |", "|---|---|---|"]
    for name in ROUTERS:
        router = find_router(name)
        hints = get_type_hints(router.__init__, include_extras=True)
        keywords = [
            parameter.name
            for parameter in inspect.signature(router).parameters.values()
            if parameter.kind is parameter.KEYWORD_ONLY and parameter.name != "seed"
        ]
        told = "<br>".join(f"`{key}`: {describe_type(hints[key])}" for key in keywords) or "none"
        lines.append(f"| `{name}` | {_cell(_summary(router))} | {_cell(told)} |")
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

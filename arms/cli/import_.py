"""`arms import`: turn a log into a dataset. Each importer is a subcommand, its settings are flags."""

import re
import time
from dataclasses import fields
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin, get_type_hints

import click
from click.shell_completion import CompletionItem

from arms.cli.base import ArmsGroup, echo, print_json
from arms.cli.completers import RAW, complete_access, complete_dataset_name
from arms.errors import ArmsError
from arms.names import PIPELINE_DATASETS, name_problem

if TYPE_CHECKING:
    from arms.importers.base import Importer
    from arms.importers.run import ImportOptions

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")


def _once(ctx: click.Context, param: click.Parameter, values: tuple[Any, ...]) -> Any:
    """The one value of a flag; click itself would let the last of several win, and say nothing."""
    if len(values) > 1:
        raise click.BadParameter(f"expected it once, got {' and '.join(map(repr, values))}")
    return values[0] if values else None


_COMMON_OPTIONS = (
    click.Option(
        ["--name"],
        multiple=True,
        callback=_once,
        help="Name of the dataset; the source's by default.",
        shell_complete=complete_dataset_name,
    ),
    click.Option(
        ["--images", "roots"],
        type=click.Path(path_type=Path),
        multiple=True,
        help="A folder that recorded image paths are relative to; repeat for several. By default the sources'.",
    ),
    click.Option(
        ["--image-prefix", "image_prefixes"],
        multiple=True,
        metavar="PATH",
        help="What recorded image paths begin with on the machine of the evaluation, and --images replaces here; "
        "repeat for several.",
    ),
    click.Option(["--verify-images"], is_flag=True, help="Decode every image, instead of reading only its header."),
    click.Option(
        ["--no-images"],
        is_flag=True,
        help="Make a dataset of questions only, where the images are not at hand; a query without words is set aside.",
    ),
    click.Option(
        ["--vlms", "profiles"],
        type=click.Path(path_type=Path),
        multiple=True,
        help="A file of VLM profiles; repeat for several. By default data/vlms.yaml.",
    ),
    click.Option(
        ["--access"],
        multiple=True,
        metavar="[VLM=]free|paid",
        shell_complete=complete_access,
        help="Take VLMs without a profile, as free or paid, with nothing else known of them; repeat for VLMs that "
        "differ from the others.",
    ),
    click.Option(
        ["--rename"],
        multiple=True,
        metavar="LOG=NAME",
        help="Call the VLM that the log names LOG by another NAME; repeat for several.",
    ),
    click.Option(["--strict"], is_flag=True, help="Refuse a log with unusable parts instead of setting them aside."),
    click.Option(["--replace"], is_flag=True, help="Replace a dataset of that name."),
    click.Option(
        ["--workers"],
        type=click.IntRange(min=1),
        multiple=True,
        callback=_once,
        default=[4],
        show_default=True,
        help="Threads that read images.",
    ),
    click.Option(["--json", "as_json"], is_flag=True, help="Print the report as JSON."),
)


class _Source(click.Path):
    """A path, or a URL, which stays as it is."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from arms.traffic.places import is_url

        return value if isinstance(value, str) and is_url(value) else super().convert(value, param, ctx)


class _ImportGroup(ArmsGroup):
    """Its subcommands are the importers, which are loaded when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        from arms.importers.registry import importer_names

        return importer_names()

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        from arms.importers.registry import find_importer

        if cmd_name not in self.list_commands(ctx):
            return None
        try:
            return _command(cmd_name, find_importer(cmd_name))
        except ArmsError as error:  # another package's: the other importers still work
            return _broken_command(cmd_name, error)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The importers' names, without loading any."""
        names = [CompletionItem(name) for name in self.list_commands(ctx) if name.startswith(incomplete)]
        return names + click.Command.shell_complete(self, ctx, incomplete)


@click.group(name="import", cls=_ImportGroup)
def import_() -> None:
    """Turn the logs of an evaluation into a dataset, data/raw/NAME.

    Each format has its command. What cannot be used is set aside and reported. A missing outcome is unknown, never
    wrong.

    \b
    Examples:
      arms import tables ~/evaluations/blindtest --name blindtest
      arms import helm --help
    """


def _command(name: str, importer: type["Importer"]) -> click.Command:
    """The command of one importer.

    Raises
    ------
    ArmsError
        If a setting is called as an option that every importer has.
    """
    common = {"sources", *(word for option in _COMMON_OPTIONS for word in (option.name, *option.opts))}
    taken = [setting.name for setting in fields(importer) if common & {setting.name, _flag(setting.name)}]
    if taken:
        raise ArmsError(f"importer {name}: expected settings of other names than {', '.join(taken)}, which all have")

    def run(sources: tuple[Path | str, ...], **values: Any) -> None:
        chosen = importer(**{setting.name: values.pop(setting.name) for setting in fields(importer)})
        _import(chosen, sources, **values)

    hints = get_type_hints(importer)
    help_text = f"{importer.summary}\n\n{importer.description}\n\n\b\nExample:\n  {importer.example}"
    return click.Command(
        name,
        callback=run,
        params=[
            click.Argument(["sources"], type=_Source(path_type=Path), nargs=-1, required=True),
            *(_option(setting.name, hints[setting.name], setting) for setting in fields(importer)),
            *_COMMON_OPTIONS,
        ],
        help=help_text,
        short_help=importer.summary,
    )


def _broken_command(name: str, error: ArmsError) -> click.Command:
    """The command of an importer that cannot be loaded: it says why."""

    def run(**values: Any) -> None:
        raise error

    sources = click.Argument(["sources"], nargs=-1)
    return click.Command(
        name,
        callback=run,
        params=[sources],
        help=str(error),
        short_help="Cannot be loaded.",
        context_settings={"ignore_unknown_options": True},
    )


def _option(name: str, hint: Any, setting: Any) -> click.Option:
    """A setting of an importer as an option, its type from the field's."""
    flag = _flag(name)
    options: dict[str, Any] = {"default": setting.default, "help": setting.metadata["help"]}
    if setting.default not in (None, (), False, ""):
        options["show_default"] = True
    if get_origin(hint) in (UnionType, Union):
        (hint,) = (part for part in get_args(hint) if part is not NoneType)
    if get_origin(hint) is tuple:
        options["multiple"] = True
        hint = get_args(hint)[0]
    if hint is bool:
        return click.Option([flag, name], is_flag=True, **options)
    if get_origin(hint) is Literal:
        hint = click.Choice([str(word) for word in get_args(hint)])
    elif hint is Path:
        hint = click.Path(path_type=Path)
    if setting.metadata["metavar"]:
        options["metavar"] = setting.metadata["metavar"]
    if "multiple" not in options:
        options |= {
            "multiple": True,
            "callback": _once,
            "default": [] if setting.default is None else [setting.default],
        }
    return click.Option([flag, name], type=hint, **options)


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _import(
    importer: "Importer", sources: tuple[Path | str, ...], name: str | None, as_json: bool, **values: Any
) -> None:
    """Import into data/raw/<name>, and say what became of the log."""
    from arms.importers.pool_settings import PoolGaps, find_pool_gaps, write_pool_settings
    from arms.importers.run import import_log

    started = time.perf_counter()
    name = _dataset_name(name, sources)
    destination = RAW / name
    report = import_log(importer, sources, destination, _options(**values))
    settings = write_pool_settings(name, destination, f"Imported with `arms import` from {', '.join(report.sources)}.")
    gaps = PoolGaps() if settings is None else find_pool_gaps(settings, destination)
    if as_json:
        file = None if settings is None else str(settings)
        pools = {"in_no_pool": list(gaps.unpooled), "only_in_pools": list(gaps.gone)}
        print_json({"dataset": name, "folder": str(destination), "conf": file, **pools, **report.to_dict()})
        return
    echo(report.text())
    echo(
        f"imported {report.report.queries_kept:,} queries with {report.report.outcomes_kept:,} outcomes into "
        f"{destination} in {time.perf_counter() - started:.1f} s"
    )
    if settings:
        if told := gaps.text(settings):
            echo(told)
        echo(f"next: look at its pools in {settings}; then: {_run_command(name)}")


def _options(
    roots: tuple[Path, ...],
    profiles: tuple[Path, ...],
    rename: tuple[str, ...],
    access: tuple[str, ...],
    **values: Any,
) -> "ImportOptions":
    """The flags that every format has, as `import_log` takes them."""
    from arms.catalogue.match import CATALOGUE
    from arms.data.profiles import Access, read_vlms
    from arms.importers.run import ImportOptions

    files = profiles or ((CATALOGUE,) if CATALOGUE.exists() else ())
    catalogue = tuple(vlm for file in files for vlm in read_vlms(file))
    accesses = _pairs(access, "--access", "free, paid, VLM=free or VLM=paid", optional_key=True)
    for word in accesses.values():
        if word not in get_args(Access):
            raise click.BadParameter(f"expected free or paid, got {word!r}", param_hint="'--access'")
    return ImportOptions(
        roots=roots,
        catalogue=catalogue,
        rename=_pairs(rename, "--rename", "LOG=NAME"),
        access=accesses.pop("", None),  # type: ignore[arg-type]
        access_of=accesses,  # type: ignore[arg-type]
        **values,
    )


def _pairs(texts: tuple[str, ...], flag: str, form: str, *, optional_key: bool = False) -> dict[str, str]:
    """What a flag of pairs says, by their keys; the empty key is that of a value without one."""
    pairs: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.rpartition("=")  # a VLM's name may hold an equals sign
        if not value or (bool(key) != bool(equals)) or not (key or optional_key):
            raise click.BadParameter(f"expected {form}, got {text!r}", param_hint=f"'{flag}'")
        if pairs.setdefault(key, value) != value:
            raise click.BadParameter(f"expected it once for {key or 'all'}, got {text!r} too", param_hint=f"'{flag}'")
    return pairs


def _dataset_name(name: str | None, sources: tuple[Path | str, ...]) -> str:
    """The dataset's name: a single source's, unless one is given."""
    if not name:
        first = sources[0]
        if len(sources) > 1 or isinstance(first, str):
            raise click.UsageError(
                f"expected --name, as {'a URL gives none' if len(sources) == 1 else 'there are several sources'}"
            )
        name = first.resolve().name if first.is_dir() else first.stem
    if problem := name_problem(name, PIPELINE_DATASETS):
        raise ArmsError(f"--name, of a folder in {RAW}: {problem}")
    return name


def _run_command(name: str) -> str:
    """The command that runs the pipeline on a dataset; quoted where DVC would take the name for a number, say."""
    plain = _PLAIN.fullmatch(name) and name.lower() not in ("true", "false", "null", "inf", "nan")
    return f"dvc exp run -S data={name}" if plain else f"dvc exp run -S \"data='{name}'\""

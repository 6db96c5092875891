"""`arms vlms`: the profiles of VLMs, listed, extended and checked."""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from arms.catalogue.match import CATALOGUE
from arms.cli.base import count, echo, json_option, print_json
from arms.cli.completers import complete_dataset

if TYPE_CHECKING:
    from arms.data.profiles import VlmProfile

_COLUMNS = {
    "name": "name",
    "provider": "provider",
    "access": "access",
    "params_b": "params (billions)",
    "price_in": "USD/M in",
    "price_out": "USD/M out",
    "released": "released",
}
_NUMBERS = ("params_b", "price_in", "price_out")


@click.group()
def vlms() -> None:
    """List, extend and check the profiles of VLMs.

    data/vlms.yaml is the catalogue in which `arms import` looks up the VLMs of a log. A dataset has a file of its own.

    \b
    Examples:
      arms vlms list
      arms vlms check data/raw/sample
    """


@vlms.command(name="list")
@click.argument(
    "path", metavar="[FILE]", type=click.Path(path_type=Path), default=CATALOGUE, shell_complete=complete_dataset
)
@click.option("--sentences", is_flag=True, help="Show the sentence that the router reads of each VLM instead.")
@json_option
def vlms_list(path: Path, sentences: bool, as_json: bool) -> None:
    """List the VLMs and what is known of them.

    FILE is a file of profiles or a dataset's folder; data/vlms.yaml by default. Prices are in USD per million tokens;
    a dash is a fact undisclosed.

    \b
    Examples:
      arms vlms list
      arms vlms list data/raw/sample --sentences
    """
    from arms.data.profiles import profile_sentence, read_vlms

    profiles = read_vlms(_file_at(path))
    if as_json:
        print_json([{**asdict(profile), "sentence": profile_sentence(profile, "full")} for profile in profiles])
    elif sentences:
        echo("\n".join(profile_sentence(profile, "full") for profile in profiles))
    else:
        echo(_table(profiles))


@vlms.command(name="add")
@click.argument("name")
@click.option("--access", required=True, type=click.Choice(["free", "paid"]), help="Whether an answer is paid for.")
@click.option("--provider", help="Who makes it.")
@click.option("--params-b", type=float, metavar="NUMBER", help="All its parameters, in billions.")
@click.option("--architecture", help="How it is built, in a few words.")
@click.option("--language-model", help="Its language model.")
@click.option("--vision-model", help="Its vision model.")
@click.option("--price-in", type=float, metavar="USD", help="Price of a million prompt tokens.")
@click.option("--price-out", type=float, metavar="USD", help="Price of a million output tokens.")
@click.option("--released", metavar="DATE", help="When it came out: 2024, 2024-05 or 2024-05-13.")
@click.option("--max-images", type=int, metavar="NUMBER", help="Images that it takes in one query, at most.")
@click.option("--context-tokens", type=int, metavar="NUMBER", help="Tokens of prompt and answer together, at most.")
@click.option("--tools/--no-tools", default=None, help="Whether it calls tools.")
@click.option(
    "--file",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    default=CATALOGUE,
    show_default=True,
    help="The file of profiles, which is made if it is not there.",
)
@click.option("--replace", is_flag=True, help="Replace the facts of a VLM of that name.")
def vlms_add(name: str, access: Literal["free", "paid"], path: Path, replace: bool, **facts: Any) -> None:
    """Add a VLM to a file of profiles; its comments and order stay.

    What is left out is undisclosed. `arms vlms check` says what that is missing for.

    \b
    Examples:
      arms vlms add InternVL2-8B --access free --provider OpenGVLab --params-b 8.1
      arms vlms add nova-1 --access paid --price-in 0.8 --price-out 3.2
    """
    from arms.catalogue.edit import add_profile
    from arms.catalogue.gaps import check_profiles
    from arms.data.profiles import VlmProfile, read_vlms

    replaced = add_profile(VlmProfile(name=name, access=access, **facts), path, replace=replace)
    profiles = read_vlms(path)
    echo(f"{'replaced' if replaced else 'added'} {name} in {path}, which holds {count(len(profiles), 'VLM')}")
    for gap in check_profiles(profiles):
        if name in gap.vlms:
            echo(gap.text())


@vlms.command(name="check")
@click.argument(
    "path",
    metavar="[FILE|FOLDER]",
    type=click.Path(path_type=Path),
    default=CATALOGUE,
    shell_complete=complete_dataset,
)
@click.option("--strict", is_flag=True, help="Exit with status 1 if anything is missing.")
@json_option
def vlms_check(path: Path, strict: bool, as_json: bool) -> None:
    """Say which facts are missing in profiles, and what for.

    FILE is a file of profiles, data/vlms.yaml by default; FOLDER is a dataset's, whose outcomes are looked at too. A
    file that cannot be read is an error; missing facts are not, unless --strict is given.

    \b
    Examples:
      arms vlms check
      arms vlms check data/raw/blindtest --strict
    """
    from arms.catalogue.gaps import check_dataset_profiles, check_profiles
    from arms.data.profiles import read_vlms

    file = _file_at(path)
    profiles = read_vlms(file)
    is_other = CATALOGUE.exists() and not CATALOGUE.samefile(file)
    others = read_vlms(CATALOGUE) if is_other else ()
    gaps = check_dataset_profiles(path, others) if path.is_dir() else check_profiles(profiles, others)
    if as_json:
        print_json({"file": str(file), "vlms": len(profiles), "gaps": [gap.to_dict() for gap in gaps]})
    else:
        for gap in gaps:
            echo(gap.text())
        echo(f"{file}: {count(len(profiles), 'VLM')}, {count(len(gaps), 'gap')}")
    if strict and gaps:
        sys.exit(1)


def _file_at(path: Path) -> Path:
    """The file of profiles: itself, or a dataset folder's."""
    return path / "vlms.yaml" if path.is_dir() else path


def _table(profiles: Sequence["VlmProfile"]) -> str:
    """The profiles in columns, numbers to the right."""
    rows = [list(_COLUMNS.values())]
    for profile in profiles:
        values = {column: getattr(profile, column) for column in _COLUMNS}
        rows.append(["-" if value is None else _shown(value) for value in values.values()])
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if name in _NUMBERS else cell.ljust(width)
            for cell, width, name in zip(row, widths, _COLUMNS, strict=True)
        ).rstrip()
        for row in rows
    )


def _shown(value: str | float) -> str:
    return f"{value:g}" if isinstance(value, float) else value

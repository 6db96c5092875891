"""`arms settings`: every setting, what is allowed, its value now, and what it does."""

from dataclasses import asdict
from pathlib import Path

import click

from arms.cli.base import echo, json_option, print_json


@click.command(short_help="Print every setting and what it does.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the page instead.")
@json_option
def settings(out: Path | None, as_json: bool) -> None:
    """Print every setting with what is allowed, its value now and what it does.

    \b
    Examples:
      arms settings
      arms settings --out docs/settings.md
    """
    from arms.data.atomic import atomic_file
    from arms.reports.settings_page import read_settings, settings_page

    if out and as_json:
        raise click.UsageError("expected --json or --out, got both: the page is Markdown")
    if as_json:
        print_json([{"name": setting.name, **asdict(setting)} for setting in read_settings()])
    elif out:
        with atomic_file(out) as draft:
            draft.write_text(settings_page(), encoding="utf-8")
        echo(f"wrote {out}", err=True)
    else:
        echo(settings_page(), nl=False)

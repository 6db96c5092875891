"""The `arms` command: one file a subcommand. Heavy modules are imported when a command runs."""

import os

import click

from arms import __version__
from arms.cli.base import EXIT_CODES, ArmsGroup
from arms.cli.card import card
from arms.cli.completion import completion
from arms.cli.doctor import doctor
from arms.cli.evaluate_log import evaluate_log
from arms.cli.extend import extend
from arms.cli.features import features
from arms.cli.forget import forget
from arms.cli.import_ import import_
from arms.cli.push import pull, push
from arms.cli.report import report
from arms.cli.route import route
from arms.cli.serve import serve
from arms.cli.settings import settings
from arms.cli.validate import validate
from arms.cli.vlms import vlms
from arms.errors import say_early_interrupts

say_early_interrupts("arms")

# As in the stages: a waiting OpenMP thread sleeps, so that work beside others does not become many times slower.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@click.group(
    cls=ArmsGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=EXIT_CODES,
)
@click.version_option(__version__, prog_name="arms")
def main() -> None:
    """Route image questions to the vision-language model most likely to answer them.

    \b
    Examples:
      arms doctor
      arms import csv answers.csv --name mine
      arms route --image photo.png --question "How many chairs are there?"
    """


for command in (
    import_,
    validate,
    vlms,
    features,
    push,
    pull,
    route,
    serve,
    card,
    extend,
    report,
    evaluate_log,
    forget,
    settings,
    doctor,
    completion,
):
    main.add_command(command)

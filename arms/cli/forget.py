"""`arms forget`: remove what a gateway's log keeps of old requests."""

import click

from arms.cli.base import count, echo, json_option, print_json


@click.command(short_help="Remove old pictures, questions and outputs from a gateway's log.")
@click.argument("log")
@click.option(
    "--keep-days",
    type=click.FloatRange(0),
    required=True,
    metavar="DAYS",
    help="Keep what was used in the last DAYS days; 0 keeps nothing.",
)
@json_option
def forget(log: str, keep_days: float, as_json: bool) -> None:
    """Remove the pictures, questions and outputs of old requests from a gateway's log.

    LOG is a SQLite file, or the URL of a database. Decisions, costs and feedback stay: what `arms evaluate-log` needs.
    The gateway may run meanwhile.

    \b
    Examples:
      arms forget memory.db --keep-days 30
      arms forget postgresql://arms@localhost/arms --keep-days 0
    """
    from arms.traffic.forget import forget as forget_old

    gone = forget_old(log, keep_days)
    if as_json:
        print_json({"pictures": gone.pictures, "questions": gone.questions, "outputs": gone.outputs})
        return
    kinds = (count(gone.pictures, "picture"), count(gone.questions, "question"), count(gone.outputs, "output"))
    echo(f"forgot {', '.join(kinds)}")

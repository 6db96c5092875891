"""The flags that ask for a selection policy, which `arms route` and `arms evaluate-log` share."""

import math
from collections.abc import Callable
from typing import Any

import click

_FLAGS = (
    ("--cheapest-above", "cheapest", "tau"),
    ("--budget", "query_budget", "budget"),
    ("--cost-penalty", "penalised", "penalty"),
)


def policy_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the three flags."""
    for option in (
        click.option(
            "--cost-penalty",
            type=click.FloatRange(0),
            metavar="PER_USD",
            help="Choose by confidence less this times the cost: at 50, a cost of $0.002 weighs as much as 0.1 of "
            "confidence.",
        ),
        click.option(
            "--budget",
            type=click.FloatRange(0),
            metavar="USD",
            help="Choose the surest VLM that costs this at most; if none does, the cheapest.",
        ),
        click.option(
            "--cheapest-above",
            type=click.FloatRange(0, 1),
            metavar="CONFIDENCE",
            help="Choose the cheapest VLM that the router is surer of than this; if it is of none, the surest.",
        ),
    ):
        command = option(command)
    return command


def chosen_policy(
    cheapest_above: float | None, budget: float | None, cost_penalty: float | None
) -> dict[str, Any] | None:
    """The selection policy that the flags ask for; None for the router's own."""
    values = (cheapest_above, budget, cost_penalty)
    given = [(*flag, value) for flag, value in zip(_FLAGS, values, strict=True) if value is not None]
    if len(given) > 1:
        names = " and ".join(flag for flag, *_ in given)
        raise click.UsageError(f"expected one of {', '.join(flag for flag, *_ in _FLAGS)}, got {names}")
    for flag, name, setting, value in given:
        if not math.isfinite(value):
            raise click.BadParameter(f"expected a finite number, got {value}", param_hint=f"'{flag}'")
        return {"name": name, setting: value, "of": "cost"}
    return None

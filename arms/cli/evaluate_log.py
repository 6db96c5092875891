"""`arms evaluate-log`: what another router or policy would have earned and cost, from a gateway's log."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from arms.cli.base import count, echo, json_option, print_json
from arms.cli.completers import complete_router
from arms.cli.policy_options import chosen_policy, policy_options

if TYPE_CHECKING:
    from arms.evaluation.off_policy.estimators import OffPolicy
    from arms.replay.decisions import Decisions
    from arms.replay.estimate import Replayed

_NAMES = {
    "ips": "inverse propensity",
    "snips": "self-normalised",
    "dr": "doubly robust",
    "logged": "what was logged",
}


@click.command(name="evaluate-log", short_help="Judge a router or policy by a gateway's log.")
@click.argument("log")
@click.option(
    "--router",
    "folder",
    type=click.Path(path_type=Path),
    shell_complete=complete_router,
    help="Another trained router's folder; it scores the questions and pictures that were kept. By default the "
    "confidences of the log count.",
)
@policy_options
@click.option("--since", metavar="DATE", help="The first day to read, such as 2026-11-01, in UTC; all by default.")
@json_option
def evaluate_log(
    log: str,
    folder: Path | None,
    cheapest_above: float | None,
    budget: float | None,
    cost_penalty: float | None,
    since: str | None,
    as_json: bool,
) -> None:
    """Estimate what another router or policy would have earned and cost, without trying it.

    LOG is the log of `arms serve`: a SQLite file, or the URL of a database. It may be a dataset of outcomes with
    propensities too, as `arms import gateway` makes; then --router is needed. Without --router or a policy, what the
    log's router chooses without exploring is judged: in shadow mode, what it would have chosen.

    The gateway must have explored: what was never drawn, nobody can judge, and it is refused. Policies weigh the mean
    cost of each VLM in the log.

    \b
    Examples:
      arms evaluate-log memory.db
      arms evaluate-log memory.db --cheapest-above 0.7
      arms evaluate-log postgresql://arms@localhost/arms --router data/routers/new --since 2026-11-01
    """
    policy = chosen_policy(cheapest_above, budget, cost_penalty)

    from arms.replay.estimate import replay
    from arms.replay.gateway_log import decisions_of_log
    from arms.replay.outcome_tables import decisions_of_tables
    from arms.replay.targets import own_target, policy_target, router_target
    from arms.traffic.store import open_store
    from arms.traffic.times import as_utc

    def estimate(decisions: "Decisions") -> "Replayed":
        if folder is not None:
            from arms.encoders.origins import know_settings
            from arms.routers.router import Router

            know_settings()
            return replay(router_target(decisions, Router.load(folder), policy, str(folder)))
        return replay(own_target(decisions) if policy is None else policy_target(decisions, policy))

    start = as_utc(since, "--since")
    if Path(log).is_dir():
        if start is not None:
            raise click.UsageError("expected --since only with a log, as outcome tables hold no times")
        result = estimate(decisions_of_tables(Path(log)))
    else:
        store = open_store(log)
        try:
            result = estimate(decisions_of_log(store, start))
        finally:
            store.close()
    if as_json:
        print_json(result.to_json())
        return
    echo("\n".join(_lines(result)))


def _lines(result: "Replayed") -> list[str]:
    """The estimates in words."""
    left_out = ", ".join(f"{number:,} {reason}" for reason, number in result.left_out.items())
    lines = [
        f"judged: {result.judged}",
        f"{count(result.decisions, 'decision')}, {result.with_feedback:,} with feedback"
        + (f"; left out: {left_out}" if left_out else ""),
        *_table("EM", result.reward, lambda number: f"{number:.3f}"),
    ]
    if result.cost is not None:
        lines += _table("cost in USD", result.cost, lambda number: f"{number:.6f}")
    else:
        lines.append(f"cost: {result.no_cost}")
    return [*lines, *(f"note: {warning}" for warning in result.warnings)]


def _table(title: str, found: "OffPolicy", shown: Callable[[float], str]) -> list[str]:
    size = f"{count(found.decisions, 'decision')}, which count as {found.effective:,.0f} of the judged policy's own"
    lines = ["", f"{title}, over {size}:"]
    for name, words in _NAMES.items():
        one = getattr(found, name)
        lines.append(f"  {words:<19}  {shown(one.value)} ({shown(one.low)} to {shown(one.high)})")
    return lines

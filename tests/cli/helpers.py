"""How the command line is run in tests, and what a failure has to look like."""

import json
from typing import Any

from click.testing import CliRunner, Result

from arms.cli import main


def run(*arguments: Any) -> Result:
    """Run `arms` with arguments, in this process."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments], prog_name="arms")


def run_json(*arguments: Any, exit_code: int = 0) -> Any:
    """Run `arms` with arguments and --json; what the output stream then holds, which has to be JSON alone."""
    result = run(*arguments, "--json")
    assert result.exit_code == exit_code, result.output
    return json.loads(result.stdout)


def check_failed(result: Result, message: str) -> None:
    """Exit status 1 and the error's text on the error stream, not a traceback."""
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert message in result.stderr
    assert "Traceback" not in result.stderr

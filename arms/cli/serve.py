"""`arms serve`: answer chat completions by the VLM that the router chooses."""

from importlib.util import find_spec
from pathlib import Path

import click

from arms.cli.base import echo
from arms.errors import ArmsError

_NEEDED = ("cachetools", "fastapi", "httpx", "opentelemetry", "prometheus_client", "purgatory", "tenacity", "uvicorn")


@click.command()
@click.option(
    "--settings",
    "file",
    type=click.Path(path_type=Path),
    default=Path("serve.yaml"),
    show_default=True,
    help="The gateway's settings: the router, where each VLM answers, limits.",
)
@click.option("--check", is_flag=True, help="Load the settings and the router, say what would be served, and end.")
def serve(file: Path, check: bool) -> None:
    """Answer chat completions, as OpenAI's API does, by the VLM that the router chooses.

    The model auto is the router's choice, arms/NAME the choice by a policy of the settings, and a VLM's own name that
    VLM. SIGHUP loads the router anew; SIGTERM lets running requests end.

    \b
    Examples:
      arms serve
      arms serve --settings production/serve.yaml
      arms serve --settings production/serve.yaml --check
    """
    if missing := [name for name in _NEEDED if find_spec(name) is None]:
        raise ArmsError(
            f"arms serve: expected the extra serve, {missing[0]} is missing; run: pip install 'arms[serve]'"
        )

    from arms.encoders.origins import know_settings
    from arms.serve.app import create_app
    from arms.serve.loaded import Loaded
    from arms.serve.memory.none import NoMemory
    from arms.serve.running import serve as run
    from arms.serve.settings import read_serve_settings

    settings = read_serve_settings(file)
    know_settings()
    app = create_app(settings, lambda: Loaded.from_folder(settings), NoMemory())
    loaded = app.state.gateway.decider.loaded
    echo(f"router: {settings.router} ({loaded.name}), VLMs: {', '.join(loaded.profiles)}", err=True)
    if loaded.without_upstream:
        echo(f"without an upstream, never chosen: {', '.join(sorted(loaded.without_upstream))}", err=True)
    if unknown := [vlm for vlm in settings.upstreams if vlm not in loaded.profiles]:
        echo(f"unknown to the router, answering by their own names: {', '.join(unknown)}", err=True)
    if check:
        return
    echo(f"listening on http://{settings.host}:{settings.port}", err=True)
    run(app, settings)

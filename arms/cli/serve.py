"""`arms serve`: answer chat completions by the VLM that the router chooses."""

from pathlib import Path
from typing import Any

import click

from arms.cli.base import echo, json_option, need_extra, print_json

_NEEDED = (
    "cachetools",
    "fastapi",
    "httpx",
    "opentelemetry",
    "prometheus_client",
    "purgatory",
    "sqlalchemy",
    "tenacity",
    "uvicorn",
)


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
@json_option
def serve(file: Path, check: bool, as_json: bool) -> None:
    """Answer chat completions, as OpenAI's API does, by the VLM that the router chooses.

    The model auto is the router's choice, arms/NAME the choice by a policy of the settings, and a VLM's own name that
    VLM. SIGHUP loads the router anew; SIGTERM lets running requests end.

    \b
    Examples:
      arms serve
      arms serve --settings production/serve.yaml
      arms serve --settings production/serve.yaml --check
    """
    need_extra("arms serve", "serve", _NEEDED)

    from arms.encoders.origins import know_settings
    from arms.serve.app import create_app
    from arms.serve.loaded import Loaded
    from arms.serve.memory.opening import open_memory
    from arms.serve.running import serve as run
    from arms.serve.settings import read_serve_settings

    settings = read_serve_settings(file)
    know_settings()
    keep = settings.keep
    memory = open_memory(
        settings.memory, keep_questions=keep.questions, keep_images=keep.images, keep_outputs=keep.outputs
    )
    app = create_app(settings, lambda: Loaded.from_folder(settings), memory)
    loaded = app.state.gateway.decider.loaded
    served = {
        "router": settings.router,
        "checksum": loaded.name,
        "vlms": list(loaded.profiles),
        "without_upstream": sorted(loaded.without_upstream),
        "unknown_to_router": [vlm for vlm in settings.upstreams if vlm not in loaded.profiles],
        "address": f"http://{settings.host}:{settings.port}",
    }
    if as_json:
        print_json(served, indent=None)
    else:
        _say(served)
    if check:
        return
    if not as_json:
        echo(f"listening on {served['address']}", err=True)
    run(app, settings)


def _say(served: dict[str, Any]) -> None:
    echo(f"router: {served['router']} ({served['checksum']}), VLMs: {', '.join(served['vlms'])}", err=True)
    if served["without_upstream"]:
        echo(f"without an upstream, never chosen: {', '.join(served['without_upstream'])}", err=True)
    if served["unknown_to_router"]:
        echo(f"unknown to the router, answering by their own names: {', '.join(served['unknown_to_router'])}", err=True)

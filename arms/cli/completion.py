"""`arms completion`: the script with which a shell completes what is typed after `arms`."""

import click
from click.shell_completion import get_completion_class

from arms.cli.base import echo


@click.command(short_help="Print the script for completion in a shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script with which a shell completes commands, options, routers, datasets and VLMs.

    The script asks `arms` itself, so `arms` must be on the PATH. Run the line for your shell once.

    \b
    Examples:
      arms completion bash > ~/.arms-complete.bash && echo '. ~/.arms-complete.bash' >> ~/.bashrc
      arms completion zsh > ~/.arms-complete.zsh && echo '. ~/.arms-complete.zsh' >> ~/.zshrc
      arms completion fish > ~/.config/fish/completions/arms.fish
    """
    found = get_completion_class(shell)
    assert found is not None, "click completes in these shells"
    echo(found(context.find_root().command, {}, "arms", "_ARMS_COMPLETE").source(), nl=False)

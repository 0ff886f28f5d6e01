"""`func completion`: prints the shell script that completes commands and options."""

import click
from click.shell_completion import get_completion_class

from durable_host.errors import UsageError

_INSTALL = {
    "bash": 'eval "$(func completion bash)"      in ~/.bashrc',
    "zsh": 'eval "$(func completion zsh)"       in ~/.zshrc, after compinit',
    "fish": "func completion fish | source        in ~/.config/fish/config.fish",
}


@click.command(epilog="\b\nAdd this to your shell's startup file:\n  " + "\n  ".join(_INSTALL.values()))
@click.argument("shell", type=click.Choice(list(_INSTALL)))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script that completes commands and options of func in SHELL."""
    kind = get_completion_class(shell)
    if kind is None:
        raise UsageError(f"There is no completion for '{shell}'.")
    root = ctx.find_root()
    click.echo(kind(root.command, {}, "func", "_FUNC_COMPLETE").source())

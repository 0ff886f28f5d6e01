"""`func settings`: lists, adds and deletes app settings.

Source: docs/protocol/functions-host-cli.md#settings-commands
"""

import click

from durable_host.cli import questions
from durable_host.cli.app_folder import app_root
from durable_host.cli.command_group import CommandGroup
from durable_host.cli.settings_file import SettingsFile
from durable_host.config.local_settings import FILE_NAME
from durable_host.errors import ConfigurationError, UsageError

_HIDDEN = "*****"
_CONNECTION_STRING = click.option(
    "--connectionString", "connection_string", is_flag=True, help="A connection string, not an app setting."
)


@click.group(cls=CommandGroup)
def settings() -> None:
    """App settings in local.settings.json. Environment variables take precedence."""


@settings.command("list")
@click.option("-a", "--showValue", "show_value", is_flag=True, help="Show the values too.")
@click.pass_context
def list_settings(ctx: click.Context, show_value: bool) -> None:
    """List app settings and connection strings."""
    file = _plain_file(ctx)
    click.echo("App Settings:")
    for name, value in file.values.items():
        click.echo(f"   -> Name: {name}\n      Value: {value if show_value else _HIDDEN}\n")
    click.echo("Connection Strings:")
    for name, (value, provider) in file.connection_strings.items():
        click.echo(f"   -> Name: {name}\n      Value: {value if show_value else _HIDDEN}")
        click.echo(f"      ProviderName: {provider or ''}\n")


@settings.command("add")
@click.argument("name")
@click.argument("value", required=False)
@_CONNECTION_STRING
@click.pass_context
def add(ctx: click.Context, name: str, value: str | None, connection_string: bool) -> None:
    """Add the setting NAME, or change it. Prompts for VALUE if it is missing, and does not show what you type."""
    file = _plain_file(ctx)
    if not name.strip():
        raise UsageError("A setting needs a name.")
    if value is None:
        if not questions.is_interactive():
            raise UsageError("A value is missing.", remedy=f"func settings add {name} <value>")
        value = click.prompt("Please enter the value", hide_input=True, default="", show_default=False)
    if connection_string:
        file.set_connection_string(name, value or "")
    else:
        file.set_value(name, value or "")
    file.save()
    click.echo(f"{'Connection string' if connection_string else 'Setting'} '{name}' is saved in {FILE_NAME}.")


@click.command()
@click.argument("name")
@_CONNECTION_STRING
@click.pass_context
def delete(ctx: click.Context, name: str, connection_string: bool) -> None:
    """Delete the setting NAME."""
    file = _plain_file(ctx)
    written = file.delete(name, connection_string=connection_string)
    file.save()
    click.echo(f"{'Connection string' if connection_string else 'Setting'} '{written}' was deleted.")


settings.add_command(delete, "delete")
settings.add_command(delete, "remove")


@settings.command(short_help="Not supported: it needs .NET.")
def encrypt() -> None:
    """Not supported: the encryption of Core Tools is tied to .NET and to one machine."""
    raise ConfigurationError(
        f"{FILE_NAME} is not encrypted by this program.",
        cause="Core Tools encrypt it with a key that only .NET on the same machine can use; no Python host could read "
        "the settings afterwards.",
        remedy=f"Keep secrets out of the file: set them in the environment, which takes precedence. {FILE_NAME} "
        "belongs in .gitignore, where 'func init' puts it.",
        code="DH1023",
    )


@settings.command()
@click.pass_context
def decrypt(ctx: click.Context) -> None:
    """Show whether the file is encrypted, and what to do about it."""
    _plain_file(ctx)
    click.echo(f"{FILE_NAME} is not encrypted; nothing to do.")


def _plain_file(ctx: click.Context) -> SettingsFile:
    file = SettingsFile(app_root(ctx))
    if file.is_encrypted:
        raise ConfigurationError(
            f"{FILE_NAME} is encrypted and cannot be read here.",
            cause="The key belongs to the .NET installation that encrypted the file.",
            remedy="Run 'func settings decrypt' in Azure Functions Core Tools once, or write the values in plain text "
            'with "IsEncrypted": false.',
            code="DH1021",
        )
    return file

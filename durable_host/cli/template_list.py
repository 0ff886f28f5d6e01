"""`func templates list`."""

import click

from durable_host.cli.scaffold.template_catalog import TEMPLATES
from durable_host.errors import UsageError


@click.group()
def templates() -> None:
    """Templates of 'func new'."""


@templates.command("list")
@click.option("-l", "--language", metavar="NAME", default="python", help="Language: python.")
def list_templates(language: str) -> None:
    """List the templates, with their names in both programming models."""
    if language.lower() != "python":
        raise UsageError(f"Language '{language}' is not supported: there are templates for Python only.")
    click.echo("Python Templates:")
    for template in TEMPLATES:
        notes: list[str] = []
        if template.v1_name is None:
            notes.append("V2 model only")
        elif template.v1_name != template.name:
            notes.append(f"V1 model: {template.v1_name}")
        if not template.is_served:
            notes.append("runs in Azure, not here")
        click.echo(f"  {template.name}" + (f"  ({'; '.join(notes)})" if notes else ""))

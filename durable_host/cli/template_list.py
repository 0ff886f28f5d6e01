"""`func templates list`."""

import sys

import click

from durable_host.cli.app_folder import working_folder
from durable_host.cli.command_group import CommandGroup
from durable_host.cli.line_width import broken_lines, width_of
from durable_host.cli.scaffold.languages import Language, app_language, complete_language, language
from durable_host.cli.scaffold.template_catalog import FunctionTemplate, Model, of_model

_TITLES: dict[Language, str] = {
    "python": "Python",
    "javascript": "JavaScript",
    "typescript": "TypeScript",
    "csharp": "C#",
}

_MODELS: dict[Language, Model] = {"python": "V2", "javascript": "V4", "typescript": "V4", "csharp": "isolated"}


@click.group(cls=CommandGroup)
def templates() -> None:
    """Templates of 'func new'."""


@templates.command("list")
@click.option(
    "-l",
    "--language",
    "wanted",
    metavar="NAME",
    shell_complete=complete_language,
    help="Language: python, javascript, typescript or csharp (default: that of the app in this folder).",
)
@click.pass_context
def list_templates(ctx: click.Context, wanted: str | None) -> None:
    """List the templates of a language; those for Python with their names in both programming models."""
    chosen = language(wanted) if wanted else app_language(working_folder(ctx))
    click.echo(f"{_TITLES[chosen]} Templates:")
    model = _MODELS[chosen]
    for template in of_model(model):
        notes = _model_notes(template) if chosen == "python" else []
        if not template.is_served:
            notes.append("runs in Azure, not here")
        line = f"{template.name_in(model)}  ({'; '.join(notes)})" if notes else f"{template.name_in(model)}"
        for part in broken_lines(line, width_of(sys.stdout), "  ", "      "):
            click.echo(part)


def _model_notes(template: FunctionTemplate) -> list[str]:
    if template.v1_name is None:
        return ["V2 model only"]
    return [f"V1 model: {template.v1_name}"] if template.v1_name != template.name else []

"""`func templates list`."""

import click

from durable_host.cli.scaffold.languages import Language, complete_language, language
from durable_host.cli.scaffold.template_catalog import TEMPLATES, FunctionTemplate

_TITLES: dict[Language, str] = {"python": "Python", "javascript": "JavaScript", "typescript": "TypeScript"}


@click.group()
def templates() -> None:
    """Templates of 'func new'."""


@templates.command("list")
@click.option(
    "-l",
    "--language",
    "wanted",
    metavar="NAME",
    default="python",
    shell_complete=complete_language,
    help="Language: python, javascript or typescript.",
)
def list_templates(wanted: str) -> None:
    """List the templates of a language; those for Python with their names in both programming models."""
    chosen = language(wanted)
    click.echo(f"{_TITLES[chosen]} Templates:")
    for template in TEMPLATES:
        notes = _model_notes(template) if chosen == "python" else []
        if not template.is_served:
            notes.append("runs in Azure, not here")
        name = template.name_in("V2" if chosen == "python" else "V4")
        click.echo(f"  {name}" + (f"  ({'; '.join(notes)})" if notes else ""))


def _model_notes(template: FunctionTemplate) -> list[str]:
    if template.v1_name is None:
        return ["V2 model only"]
    return [f"V1 model: {template.v1_name}"] if template.v1_name != template.name else []

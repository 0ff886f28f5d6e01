"""`func new`, also as `func function new` and `func function create`.

Source: docs/protocol/functions-host-cli.md#new-functions
"""

import re
import sys
from pathlib import Path
from typing import Any, Final

import click

from durable_host.cli import questions
from durable_host.cli.app_folder import app_root
from durable_host.cli.colour import DIM, GREEN, YELLOW, is_coloured, painted
from durable_host.cli.command_group import CommandGroup
from durable_host.cli.scaffold import languages, node_creation, template_catalog
from durable_host.cli.scaffold.function_creation import Target, create, default_of, missing_settings
from durable_host.cli.scaffold.template_catalog import Ask, FunctionTemplate
from durable_host.errors import UsageError

_NAME: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9_]{0,126}[a-zA-Z0-9]")
_NODE_NAME: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9_-]{0,126}[a-zA-Z0-9]")
_VALUES: Final = {
    "auth_level": ("-a", "--authlevel"),
    "route": ("--route",),
    "schedule": ("--schedule",),
    "path": ("--path",),
    "queue_name": ("--queue-name",),
    "connection": ("--connection",),
    "event_hub_name": ("--event-hub-name",),
    "topic_name": ("--topic-name",),
    "subscription_name": ("--subscription-name",),
    "database_name": ("--database-name",),
    "container_name": ("--container-name",),
}
_HELP: Final = {
    "auth_level": "Who may call an HTTP trigger: function, anonymous or admin.",
    "route": "Route of an HTTP trigger.",
    "schedule": "When a timer fires, such as '0 */5 * * * *'.",
    "path": "Blobs that trigger the function, such as 'container/{name}'.",
    "queue_name": "Queue that triggers the function.",
    "connection": "App setting with the connection.",
}
HELP: Final = """Add a function to the app, from a template.

The function is added to the end of function_app.py, to a blueprint with --file, or, in an app of the V1 model, to a new
folder, with another one for the activity of an orchestrator. In a Node.js app it is a file in src/functions, in
TypeScript if the app has a tsconfig.json; in a .NET app it is a file in C# next to the project. The command prompts
for missing options, or uses their defaults if there is no terminal.

\b
Examples:
  func new
  func new --template "HTTP trigger" --name hello --authlevel anonymous
  func new --template "Timer Trigger" --name cleanup --schedule "0 0 3 * * *" --file jobs.py
  func new --template "Durable Functions human interaction" --name Approval

'func templates list' shows the templates.
"""


@click.pass_context
def _new(ctx: click.Context, **given: Any) -> None:
    root = app_root(ctx)
    _check(given)
    target = _target(root, given["file"], given["language"])
    asking = questions.is_interactive()
    template = _template(given["template"], given["name"], target, asking)
    name = _name(given["name"], template, target, asking)
    values = {key: given[key] for key in _VALUES if given.get(key)}
    if asking:
        for ask in template.asks:
            if ask.key not in values:
                default = default_of(ask.default_in(target.model), name)
                values[ask.key] = questions.ask(ask.question, default, _check_of(ask))
    create(target, template, name, values, click.echo)
    coloured = is_coloured(sys.stdout)
    shown = template.name_in(target.model)
    text = f'The function "{name}" was created successfully from the "{shown}" template.'
    click.echo(painted(text, GREEN, coloured))
    for setting in missing_settings(root, {ask.key: values.get(ask.key, ask.default) for ask in template.asks}):
        click.echo(f"It needs a connection: func settings add {setting} <connection string>")
    if not template.is_served:
        note = f"'{shown}' runs in Azure; here it is listed as not served, and the other functions run."
        click.echo(painted(note, YELLOW, coloured))
    elif template.is_durable and target.model != "isolated":
        install = "npm install" if target.model == "V4" else "python -m pip install -r requirements.txt"
        click.echo(painted(f"Install its package: {install}", DIM, coloured))
    if target.model == "V4" and not node_creation.is_loaded(root, name, target.language):
        note = "'main' in package.json does not name the new file: change it, or import the file from one it names."
        click.echo(painted(note, YELLOW, coloured))


def _check(given: dict[str, Any]) -> None:
    if given["csx"]:
        raise UsageError(f"--csx is for C# scripts; this program runs apps written in {languages.SUPPORTED}.")
    level: str | None = given["auth_level"]
    if level is not None and level.lower() not in template_catalog.AUTH_LEVELS:
        raise UsageError(
            f"Unable to configure Authorization level '{level}'.",
            remedy=f"Choose one of {', '.join(template_catalog.AUTH_LEVELS)}.",
        )


def _target(root: Path, file: str | None, language: str | None) -> Target:
    wanted = languages.language(language) if language else None
    found = languages.app_language(root)
    is_node = found in ("javascript", "typescript")
    if wanted is not None and languages.runtime_name(wanted) != languages.runtime_name(found):
        raise UsageError(
            f"--language {wanted} does not fit this app: it is written for the worker runtime "
            f"{languages.runtime_name(found)}.",
            remedy="Omit --language, or create an app for that language in another folder: func init.",
        )
    if found == "csharp":
        if file is not None:
            raise UsageError("--file is for Python apps; here each function is a file in the folder of the project.")
        return Target(root.resolve(), "isolated", language="csharp")
    if is_node:
        if file is not None:
            raise UsageError("--file is for Python apps; here each function is a file in src/functions.")
        return Target(root.resolve(), "V4", language=wanted or languages.node_language(root))
    script = languages.settings_of(root).get("PYTHON_SCRIPT_FILE_NAME") or "function_app.py"
    # Only in V1 apps does 'func init' write a requirements.txt without a function_app.py.
    is_v1 = not (root / script).exists() and ((root / "requirements.txt").exists() or any(root.glob("*/function.json")))
    if file is None or (path := (root / file).resolve()) == (root / script).resolve():
        return Target(root, "V1" if is_v1 else "V2", script)
    if is_v1:
        raise UsageError("--file is for apps of the V2 programming model; here each function is a folder.")
    if path.suffix != ".py":
        path = path.with_name(f"{path.name}.py")
    if root.resolve() not in path.parents:
        raise UsageError(f"--file '{file}' is outside the app's folder '{root}'.")
    parts = path.relative_to(root.resolve()).with_suffix("").parts
    if not all(part.isidentifier() for part in parts):
        raise UsageError(
            f"--file '{file}' cannot be imported: a module name consists of letters, digits and underscores."
        )
    return Target(root.resolve(), "V2", script, path)


def _template(text: str | None, name: str | None, target: Target, asking: bool) -> FunctionTemplate:
    model = target.model
    if text is not None:
        return template_catalog.find(text, model, target.language)
    if not asking:
        missing = "--template" if name is not None else "--template, and --name"
        raise UsageError(
            f"Running with stdin\\stdout redirected. Command must specify {missing} explicitly.",
            remedy='func new --template "HTTP trigger" --name hello',
        )
    known = template_catalog.of_model(model)
    labels = [template.name_in(model) or "" for template in known]
    return known[questions.choose("Select a template for your function", labels)]


def _name(text: str | None, template: FunctionTemplate, target: Target, asking: bool) -> str:
    if text is not None:
        return _checked_name(text, target)
    if not asking:
        raise UsageError(
            "Running with stdin\\stdout redirected. Command must specify --template, and --name explicitly.",
            remedy=f'func new --template "{template.name}" --name {template.default_name}',
        )

    def check(name: str) -> str:
        try:
            return _checked_name(name.strip(), target)
        except UsageError as error:
            raise click.BadParameter(f"{error.message} {error.cause}") from None

    return questions.ask("Function name", template.default_name, check)


def _checked_name(name: str, target: Target) -> str:
    import keyword

    if target.model == "V4":
        if not _NODE_NAME.fullmatch(name):
            raise UsageError(
                f'"{name}" is not a valid function name.',
                cause="A name has 2 to 128 letters, digits, underscores and hyphens, begins with a letter, and ends "
                "with a letter or digit.",
            )
    elif not _NAME.fullmatch(name) or keyword.iskeyword(name):
        raise UsageError(
            f'"{name}" is not a valid function name.',
            cause="A name has 2 to 128 letters, digits and underscores, begins with a letter, ends with a letter or "
            "digit, and is not a Python keyword.",
        )
    return name


def _check_of(ask: Ask) -> Any:
    def check(text: str) -> str:
        if ask.key == "auth_level" and text.strip().lower() not in template_catalog.AUTH_LEVELS:
            raise click.BadParameter(f"choose one of {', '.join(template_catalog.AUTH_LEVELS)}")
        return text.strip()

    return check


def _command(name: str) -> click.Command:
    command = click.command(name, help=HELP)(_new)
    options: list[click.Parameter] = [
        click.Option(
            ["-l", "--language"],
            metavar="NAME",
            shell_complete=languages.complete_language,
            help="Language: python, javascript, typescript or csharp.",
        ),
        click.Option(["-t", "--template"], metavar="NAME", help="Template to start from."),
        click.Option(["-n", "--name"], metavar="NAME", help="Name of the function."),
        click.Option(["-f", "--file"], metavar="PATH", help="Put it into a blueprint in this file (Python, V2)."),
        *(
            click.Option([*names, key], metavar="TEXT", help=_HELP.get(key), hidden=key not in _HELP)
            for key, names in _VALUES.items()
        ),
        click.Option(["--csx"], is_flag=True, hidden=True),
    ]
    command.params = options
    return command


new: Final = _command("new")
function: Final = CommandGroup(
    "function", commands={"new": new, "create": _command("create")}, help="Commands for functions."
)

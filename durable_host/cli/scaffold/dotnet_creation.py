"""Adds a function from a template to a .NET isolated app: a file in C#, and the packages that it needs.

Source: docs/protocol/functions-host-cli.md#new-functions
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from durable_host.cli.atomic_write import write_atomically
from durable_host.cli.scaffold import rendering
from durable_host.cli.scaffold.dotnet_files import ASPNETCORE, project_name, reference
from durable_host.cli.scaffold.template_catalog import FunctionTemplate
from durable_host.config import dotnet_project
from durable_host.config.dotnet_project import DotnetProject
from durable_host.errors import ConfigurationError, UsageError

Report = Callable[[str], None]
_PREFIX: Final = "Microsoft.Azure.Functions.Worker.Extensions."
_HTTP, _DURABLE, _QUEUES = f"{_PREFIX}Http", f"{_PREFIX}DurableTask", f"{_PREFIX}Storage.Queues"
_PACKAGES: Final = {
    "http_trigger": (_HTTP,),
    "timer_trigger": (f"{_PREFIX}Timer",),
    "blob_trigger": (f"{_PREFIX}Storage.Blobs",),
    "queue_trigger": (_QUEUES,),
    "durable_orchestrator": (_DURABLE,),
    "durable_activity": (_DURABLE,),
    "durable_entity": (_DURABLE,),
    "durable_human_interaction": (_DURABLE, _HTTP, _QUEUES),
}
_OF_OTHERS: Final = (_DURABLE, _HTTP)
_NAMED_AS_ROUTED: Final = ("http_trigger", "durable_http_starter")
"""Templates whose HTTP function has the given name, which is the default of its route."""
_KEYWORDS: Final = frozenset({
    "abstract", "as", "base", "bool", "break", "byte", "case", "catch", "char", "checked", "class", "const", "continue",
    "decimal", "default", "delegate", "do", "double", "else", "enum", "event", "explicit", "extern", "false", "finally",
    "fixed", "float", "for", "foreach", "goto", "if", "implicit", "in", "int", "interface", "internal", "is", "lock",
    "long", "namespace", "new", "null", "object", "operator", "out", "override", "params", "private", "protected",
    "public", "readonly", "record", "ref", "return", "sbyte", "sealed", "short", "sizeof", "stackalloc", "static",
    "string", "struct", "switch", "this", "throw", "true", "try", "typeof", "uint", "ulong", "unchecked", "unsafe",
    "ushort", "using", "var", "virtual", "void", "volatile", "while",
})  # fmt: skip
_REFERENCE: Final = re.compile(r"^([ \t]*)<PackageReference\b[^\n]*\n", re.MULTILINE)


def create(root: Path, template: FunctionTemplate, name: str, values: Mapping[str, str], report: Report) -> None:
    """Write the function. Raises UsageError or ConfigurationError before anything is written."""
    project = _project(root)
    path = root / f"{name}.cs"
    if path.exists():
        raise UsageError(f"'{path}' already exists.", remedy="Choose another name with --name.")
    if name in _KEYWORDS or name == project_name(project.path.stem):
        raise UsageError(
            f'"{name}" is not a valid function name.',
            cause="It names a class of C#, so it is neither a keyword nor the namespace of the project.",
        )
    missing = [one for one in _packages_of(template, project) if one.lower() not in project.packages]
    edited = with_packages(project.path.read_text("utf-8"), missing)
    report(f"Creating a new file {path}")
    _write(path, function_text(template, project, name, values))
    if missing:
        report(f"Adding {', '.join(missing)} to {project.path.name}")
        _write(project.path, edited)


def function_text(template: FunctionTemplate, project: DotnetProject, name: str, values: Mapping[str, str]) -> str:
    """The C# file of a function. HTTP functions use the types of ASP.NET Core if the project does."""
    is_plain = template.key == "http_trigger" and ASPNETCORE.lower() not in project.packages
    file = f"dotnet/{template.key}{'_plain' if is_plain else ''}.cs"
    level = values["auth_level_lower"].capitalize()
    given = {**values, "name": name, "namespace": project_name(project.path.stem), "auth_level_title": level}
    text = rendering.render_script(file, given)
    return text.replace(f', Route = "{name}")]', ")]") if template.key in _NAMED_AS_ROUTED else text


def with_packages(text: str, packages: list[str]) -> str:
    """The text of a project file with references to these packages, after those that it has."""
    if not packages:
        return text
    references = list(_REFERENCE.finditer(text))
    if references:
        last = references[-1]
        added = "".join(f"{last[1]}{reference(package)}\n" for package in packages)
        return text[: last.end()] + added + text[last.end() :]
    added = "".join(f"    {reference(package)}\n" for package in packages)
    head, end, tail = text.rpartition("</Project>")
    return f"{head}  <ItemGroup>\n{added}  </ItemGroup>\n{end}{tail}"


def _packages_of(template: FunctionTemplate, project: DotnetProject) -> tuple[str, ...]:
    """The packages of a template. The one for ASP.NET Core brings the one for HTTP."""
    packages = _PACKAGES.get(template.key, _OF_OTHERS)
    has_http = ASPNETCORE.lower() in project.packages
    return tuple(one for one in packages if not (one == _HTTP and has_http))


def _project(root: Path) -> DotnetProject:
    files = dotnet_project.project_files(root)
    if len(files) != 1 or files[0].suffix.lower() != ".csproj":
        found = ", ".join(path.name for path in files) or "none"
        raise UsageError(
            "A function can be added only to a project in C#.",
            cause=f"The folder of the app must have one .csproj file; it has: {found}.",
            remedy="Run 'func new' in its folder, or create one: func init --worker-runtime dotnet-isolated",
        )
    return dotnet_project.read_project(files[0])


def _write(path: Path, text: str) -> None:
    try:
        write_atomically(path, text)
    except OSError as error:
        raise ConfigurationError(f"'{path}' cannot be written.", cause=str(error), code="DH1043") from error

"""`func new` in .NET isolated apps.

Source: docs/protocol/functions-host-cli.md#new-functions
"""

import re
from pathlib import Path

import pytest
from cli_runs import Func

from durable_host.cli.scaffold import template_catalog
from durable_host.cli.scaffold.dotnet_files import VERSIONS
from durable_host.config import dotnet_project

TEMPLATES = template_catalog.of_model("isolated")
_PACKAGE_OF_NAMESPACE = {
    "Microsoft.Azure.Functions.Worker.Http": "microsoft.azure.functions.worker.extensions.http",
    "Microsoft.AspNetCore.Http": "microsoft.azure.functions.worker.extensions.http.aspnetcore",
    "Microsoft.DurableTask": "microsoft.azure.functions.worker.extensions.durabletask",
    "Azure.Storage.Queues.Models": "microsoft.azure.functions.worker.extensions.storage.queues",
}


@pytest.fixture
def app(func: Func, folder: Path) -> Path:
    """A new app in C#."""
    assert func("init", "shop", "--csharp").code == 0
    return folder / "shop"


def test_a_function_is_a_file_next_to_the_project(func: Func, app: Path) -> None:
    outcome = func("new", "-t", "http TRIGGER", "-n", "Hello", "-a", "anonymous", "--script-root", str(app))
    assert outcome.code == 0, outcome.err
    assert outcome.out == (
        f"Creating a new file {app}/Hello.cs\n"
        'The function "Hello" was created successfully from the "HTTP trigger" template.\n'
    )
    text = (app / "Hello.cs").read_text("utf-8")
    assert "namespace shop;" in text
    assert "public class Hello(ILogger<Hello> logger)" in text
    assert '[HttpTrigger(AuthorizationLevel.Anonymous, "get", "post")] HttpRequest req' in text


def test_a_project_without_aspnetcore_gets_the_plain_http_function(func: Func, app: Path) -> None:
    project = app / "shop.csproj"
    kept = [line for line in project.read_text("utf-8").splitlines() if "AspNetCore" not in line]
    project.write_text("\n".join(kept) + "\n", "utf-8")
    assert func("new", "-t", "HTTP trigger", "-n", "Hello", "--script-root", str(app)).code == 0
    assert "HttpRequestData req" in (app / "Hello.cs").read_text("utf-8")
    assert "microsoft.azure.functions.worker.extensions.http" in dotnet_project.read_project(project).packages


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template.key)
def test_each_template_is_complete(func: Func, app: Path, template: template_catalog.FunctionTemplate) -> None:
    name = template.name_in("isolated") or ""
    outcome = func("new", "-t", name, "-n", template.default_name, "--script-root", str(app))
    assert outcome.code == 0, outcome.err
    text = (app / f"{template.default_name}.cs").read_text("utf-8")
    assert "%%" not in text
    assert text.count("{") == text.count("}")
    assert f'[Function("{template.default_name}")]' in text
    functions = re.findall(r'\[Function\("(\w+)"\)\]', text)
    assert len(set(functions)) == len(functions)
    called = set(re.findall(r'CallActivityAsync(?:<[\w\[\]]+>)?\("(\w+)"', text))
    assert called <= set(functions)
    packages = dotnet_project.read_project(app / "shop.csproj").packages
    for namespace, package in _PACKAGE_OF_NAMESPACE.items():
        if f"using {namespace}" in text:
            assert package in packages or f"{package}.aspnetcore" in packages, namespace


def test_an_aggregator_ignores_a_signal_that_it_knows(func: Func, app: Path) -> None:
    assert func("new", "-t", "aggregator", "-n", "Sum", "--script-root", str(app)).code == 0
    text = (app / "Sum.cs").read_text("utf-8")
    assert "SumAddition addition = new(Guid.NewGuid().ToString(), number);" in text
    operation = text[text.index("public int Add(SumAddition addition)") : text.index("[Function(")]
    assert operation.index("throw new ArgumentException(") < operation.index("State.Ids.Contains")
    assert re.findall(r"State\.(\w+) ?(?:\.Contains|\+=|=)", operation) == ["Ids", "Total", "Ids"]
    assert operation.index("if (!State.Ids.Contains(addition.Id))") < operation.index("State.Total += addition.Number;")


def test_a_package_is_added_once_and_with_its_version(func: Func, app: Path) -> None:
    for name in ("First", "Second"):
        outcome = func("new", "-t", "Timer trigger", "-n", name, "--script-root", str(app))
        assert outcome.code == 0
    timer = "Microsoft.Azure.Functions.Worker.Extensions.Timer"
    text = (app / "shop.csproj").read_text("utf-8")
    assert text.count(f'    <PackageReference Include="{timer}" Version="{VERSIONS[timer]}" />\n') == 1
    assert "Adding" not in outcome.out


def test_values_of_a_dotnet_function_are_given_by_options(func: Func, app: Path) -> None:
    queue = ("-t", "Queue trigger", "-n", "Work", "--queue-name", "jobs", "--connection", "Other")
    outcome = func("new", *queue, "--script-root", str(app))
    assert '[QueueTrigger("jobs", Connection = "Other")]' in (app / "Work.cs").read_text("utf-8")
    assert "func settings add Other" in outcome.out


def test_a_start_function_keeps_its_route(func: Func, app: Path) -> None:
    assert func("new", "-t", "chaining", "-n", "Chain", "--script-root", str(app)).code == 0
    assert '"post", Route = "Chain")' in (app / "Chain.cs").read_text("utf-8")


@pytest.mark.parametrize("name", ["event", "shop", "two-words"])
def test_a_name_that_is_not_a_class_is_refused(func: Func, app: Path, name: str) -> None:
    outcome = func("new", "-t", "Timer trigger", "-n", name, "--script-root", str(app))
    assert outcome.code == 2
    assert "is not a valid function name" in outcome.err
    assert not (app / f"{name}.cs").exists()


def test_a_template_that_dotnet_apps_do_not_have_is_refused(func: Func, app: Path) -> None:
    outcome = func("new", "-t", "MCP Tool trigger", "-n", "Tool", "--script-root", str(app))
    assert outcome.code == 2
    assert 'Can\'t find template "MCP Tool trigger" in "csharp".' in outcome.err


def test_a_function_in_another_language_does_not_fit(func: Func, app: Path) -> None:
    outcome = func("new", "-l", "python", "-t", "HTTP trigger", "-n", "Hello", "--script-root", str(app))
    assert outcome.code == 2
    assert "written for the worker runtime dotnet-isolated" in outcome.err


def test_in_the_output_of_a_build_no_function_is_added(func: Func, app: Path) -> None:
    (app / "shop.csproj").unlink()
    outcome = func("new", "-t", "HTTP trigger", "-n", "Hello", "--script-root", str(app))
    assert outcome.code == 2
    assert "A function can be added only to a project in C#." in outcome.err


def test_the_templates_of_dotnet_apps_are_listed(func: Func, app: Path) -> None:
    outcome = func("templates", "list", "--script-root", str(app))
    assert outcome.out.startswith("C# Templates:\n  HTTP trigger\n")
    assert "CosmosDB" not in outcome.out
    assert outcome.out == func("templates", "list", "-l", "c#").out


@pytest.mark.parametrize("template", ["orchestrator", "human interaction"])
def test_a_name_that_is_too_long_for_the_other_functions_of_the_template_is_refused(
    func: Func, app: Path, template: str
) -> None:
    before = sorted(app.rglob("*"))
    outcome = func("new", "-t", f"Durable Functions {template}", "-n", "W" * 127, "--script-root", str(app))
    assert outcome.code == 2
    assert "is not a valid function name" in outcome.err
    assert sorted(app.rglob("*")) == before

"""`func new` in Node.js apps.

Source: docs/protocol/functions-host-cli.md#new-functions
"""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_runs import Func


@pytest.fixture
def app(func: Func, folder: Path) -> Path:
    """A new app in JavaScript."""
    assert func("init", "--javascript", "--skip-npm-install").code == 0
    return folder


@pytest.fixture
def typescript_app(func: Func, folder: Path) -> Path:
    """A new app in TypeScript."""
    assert func("init", "--typescript", "--skip-npm-install").code == 0
    return folder


@pytest.mark.parametrize("command", [["new"], ["function", "new"], ["function", "create"]])
def test_function_is_a_file_of_its_own(func: Func, app: Path, command: list[str]):
    outcome = func(*command, "--template", "http TRIGGER", "--name", "hello", "-a", "function")
    assert outcome.code == 0
    assert outcome.out == (
        f"Creating a new file {app}/src/functions/hello.js\n"
        'The function "hello" was created successfully from the "HTTP trigger" template.\n'
    )
    text = (app / "src" / "functions" / "hello.js").read_text()
    assert text.startswith("const { app } = require('@azure/functions');\n\napp.http('hello', {\n")
    assert "authLevel: 'function'" in text
    assert "route" not in text


def test_typescript_function_exports_its_handler(func: Func, typescript_app: Path):
    assert func("new", "-t", "HTTP trigger", "-n", "say-hello").code == 0
    text = (typescript_app / "src" / "functions" / "say-hello.ts").read_text()
    assert "export async function sayHello(request: HttpRequest" in text
    assert "app.http('say-hello', {" in text
    assert "authLevel: 'anonymous'" in text


def test_name_that_is_a_word_of_the_language_is_taken(func: Func, typescript_app: Path):
    assert func("new", "-t", "Timer trigger", "-n", "delete").code == 0
    text = (typescript_app / "src" / "functions" / "delete.ts").read_text()
    assert "export async function deleteFunction(" in text
    assert "app.timer('delete', {" in text


def test_values_are_given_by_options(func: Func, app: Path):
    assert func("new", "-t", "Timer trigger", "-n", "tick", "--schedule", "0 0 3 * * *").code == 0
    queue = ("-t", "Azure Queue Storage trigger", "-n", "work", "--queue-name", "jobs", "--connection", "Other")
    outcome = func("new", *queue)
    assert "func settings add Other" in outcome.out
    assert func("new", "-t", "HTTP trigger", "-n", "hi", "--route", "it's/{\\name}").code == 0
    functions = app / "src" / "functions"
    assert "schedule: '0 0 3 * * *'" in (functions / "tick.js").read_text()
    assert "queueName: 'jobs',\n    connection: 'Other'" in (functions / "work.js").read_text()
    assert "route: 'it\\'s/{\\\\name}'" in (functions / "hi.js").read_text()


def test_values_are_asked_for(func: Func, app: Path, terminal: Callable[..., None]):
    terminal("2", "nightly", "0 0 0 * * *")
    outcome = func("new")
    assert outcome.code == 0
    assert " 2. Timer trigger" in outcome.out
    assert "schedule: '0 0 0 * * *'" in (app / "src" / "functions" / "nightly.js").read_text()


def test_durable_function_asks_for_its_package_once(func: Func, app: Path):
    outcome = func("new", "-t", "Durable Functions orchestrator", "-n", "Work")
    assert "Adding durable-functions to package.json" in outcome.out
    assert "Install its package: npm install" in outcome.out
    package = json.loads((app / "package.json").read_text())
    assert package["dependencies"] == {"@azure/functions": "^4.0.0", "durable-functions": "^3.0.0"}
    assert "Adding" not in func("new", "-t", "entity", "-n", "Counter").out


def test_package_file_keeps_its_indentation(func: Func, app: Path):
    (app / "package.json").write_text('{\n\t"main": "src/functions/*.js",\n\t"x": "ä"\n}\n', "utf-8")
    assert func("new", "-t", "activity", "-n", "Work").code == 0
    assert (app / "package.json").read_text("utf-8").startswith('{\n\t"main": "src/functions/*.js",\n\t"x": "ä",\n')


@pytest.mark.parametrize(
    ("main", "is_told"),
    [
        ("src/functions/*.js", False),
        ("./src/**/*.js", False),
        ("src", False),
        ("src/{index.js,functions/*.js}", False),
        ("index.js", True),
        (None, True),
    ],
)
def test_file_that_main_does_not_name_is_reported(func: Func, app: Path, main: str | None, is_told: bool):
    (app / "package.json").write_text(json.dumps({} if main is None else {"main": main}))
    outcome = func("new", "-t", "HTTP trigger", "-n", "hello")
    assert ("'main' in package.json does not name the new file" in outcome.out) is is_told


@pytest.mark.parametrize(("tool", "language"), [("javascript", "js"), ("typescript", "ts")])
def test_language_can_be_said(func: Func, folder: Path, tool: str, language: str):
    assert func("init", "--worker-runtime", tool, "--skip-npm-install").code == 0
    assert func("new", "-l", tool, "-t", "HTTP trigger", "-n", "hello").code == 0
    assert (folder / "src" / "functions" / f"hello.{language}").exists()


def test_app_without_a_setting_is_recognized_by_its_files(func: Func, folder: Path):
    (folder / "host.json").write_text('{"version": "2.0"}')
    (folder / "package.json").write_text('{"main": "src/functions/*.js"}')
    assert func("new", "-t", "HTTP trigger", "-n", "hello").code == 0
    assert (folder / "src" / "functions" / "hello.js").exists()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["-t", "HTTP triger", "-n", "hello"], 'Can\'t find template "HTTP triger" in "javascript".'),
        (["-t", "HTTP trigger", "-n", "1st"], '"1st" is not a valid function name.'),
        (["-t", "HTTP trigger", "-n", "a.b"], '"a.b" is not a valid function name.'),
        (["-t", "HTTP trigger", "-n", "hello", "--file", "x.js"], "--file is for Python apps"),
        (["-t", "HTTP trigger", "-n", "hello", "-l", "python"], "--language python does not fit this app"),
        (["-t", "HTTP trigger", "-n", "hello", "-l", "java"], "Language 'java' is not supported"),
        (["-t", "HTTP trigger", "-n", "there"], "there.js' already exists."),
    ],
)
def test_mistakes_end_with_code_2_and_write_nothing(func: Func, app: Path, arguments: list[str], text: str):
    (app / "src" / "functions" / "there.js").write_text("")
    before = sorted(app.rglob("*"))
    outcome = func("new", *arguments)
    assert outcome.code == 2
    assert text in outcome.err
    assert sorted(app.rglob("*")) == before


def test_package_file_that_is_not_json_ends_with_code_3(func: Func, app: Path):
    (app / "package.json").write_text("{")
    outcome = func("new", "-t", "activity", "-n", "Work")
    assert outcome.code == 3
    assert "package.json' cannot be read" in outcome.err
    assert not (app / "src" / "functions" / "Work.js").exists()


def test_templates_of_the_language_of_the_app_are_listed(func: Func, app: Path):
    assert func("templates", "list").out.startswith("JavaScript Templates:\n"), app


@pytest.mark.parametrize(("language", "title"), [("javascript", "JavaScript"), ("ts", "TypeScript")])
def test_templates_are_listed_with_the_names_of_the_reference(func: Func, language: str, title: str):
    outcome = func("templates", "list", "--language", language)
    assert outcome.out.startswith(f"{title} Templates:\n  HTTP trigger\n  Timer trigger\n")
    assert "  Azure Queue Storage trigger\n" in outcome.out
    assert "V1" not in outcome.out


@pytest.mark.parametrize("template", ["orchestrator", "human interaction"])
def test_a_name_that_is_too_long_for_the_other_functions_of_the_template_is_refused(
    func: Func, app: Path, template: str
):
    before = sorted(app.rglob("*"))
    outcome = func("new", "-t", f"Durable Functions {template}", "-n", "W" * 127)
    assert outcome.code == 2
    assert "is not a valid function name" in outcome.err
    assert sorted(app.rglob("*")) == before

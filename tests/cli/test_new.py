"""`func new`: options, prompts and mistakes.

Source: docs/protocol/functions-host-cli.md#new-functions
"""

import ast
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_runs import Func


@pytest.fixture
def app(func: Func, folder: Path) -> Path:
    """A new app of the V2 model."""
    assert func("init", "--python").code == 0
    return folder


def functions_of(path: Path) -> list[str]:
    tree = ast.parse(path.read_text())
    return [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


@pytest.mark.parametrize("command", [["new"], ["function", "new"], ["function", "create"]])
def test_function_is_appended(func: Func, app: Path, command: list[str]):
    outcome = func(*command, "--template", "http TRIGGER", "--name", "hello", "-a", "anonymous")
    assert outcome.code == 0
    assert outcome.out == (
        f"Appending to {app}/function_app.py\n"
        'The function "hello" was created successfully from the "HTTP trigger" template.\n'
    )
    text = (app / "function_app.py").read_text()
    assert '@app.route(route="hello", auth_level=func.AuthLevel.ANONYMOUS)\ndef hello(' in text
    assert text.count("import azure.functions as func") == 1


def test_values_are_given_by_options(func: Func, app: Path):
    assert func("new", "-t", "Timer Trigger", "-n", "tick", "--schedule", "0 0 3 * * *").code == 0
    assert func("new", "-t", "Queue trigger", "-n", "work", "--queue-name", "jobs", "--connection", "Other").code == 0
    text = (app / "function_app.py").read_text()
    assert 'schedule="0 0 3 * * *"' in text
    assert 'queue_name="jobs", connection="Other"' in text


def test_connection_that_has_no_setting_is_reported(func: Func, app: Path):
    outcome = func("new", "-t", "Queue trigger", "-n", "work", "--connection", "Other")
    assert "func settings add Other" in outcome.out
    assert "func settings add" not in func("new", "-t", "Queue trigger", "-n", "other").out


def test_quotes_in_values_do_not_break_the_code(func: Func, app: Path):
    assert func("new", "-t", "HTTP trigger", "-n", "hello", "--route", 'a"b\\c').code == 0
    ast.parse((app / "function_app.py").read_text())


def test_values_are_asked_for(func: Func, app: Path, terminal: Callable[..., None]):
    terminal("2", "nightly", "0 0 0 * * *")
    outcome = func("new")
    assert outcome.code == 0
    assert " 1. HTTP trigger" in outcome.out
    assert 'timer_trigger(schedule="0 0 0 * * *"' in (app / "function_app.py").read_text()


def test_wrong_answers_are_asked_for_again(func: Func, app: Path, terminal: Callable[..., None]):
    terminal("99", "http trigger", "1bad", "good", "nobody", "admin", "")
    assert func("new").code == 0
    assert "AuthLevel.ADMIN" in (app / "function_app.py").read_text()


def test_durable_function_makes_the_app_a_durable_one_and_asks_for_its_package(func: Func, app: Path):
    outcome = func("new", "-t", "Durable Functions orchestrator", "-n", "Work")
    assert "Adding azure-functions-durable to requirements.txt" in outcome.out
    text = (app / "function_app.py").read_text()
    assert "app = df.DFApp()" in text
    assert "import azure.durable_functions as df" in text
    assert (app / "requirements.txt").read_text().splitlines()[-1] == "azure-functions-durable>=1.2.9,<3"
    again = func("new", "-t", "Durable Functions entity", "-n", "Counter")
    assert "Adding" not in again.out
    assert functions_of(app / "function_app.py") == ["Work", "Work_step", "Counter"]


def test_v1_app_asks_for_the_generation_that_has_its_model(func: Func, folder: Path):
    func("init", "--python", "--model", "V1")
    func("new", "-t", "Durable Functions orchestrator", "-n", "Work")
    assert (folder / "requirements.txt").read_text().splitlines()[-1] == "azure-functions-durable>=1.2.9,<2"


def test_v1_orchestrator_is_not_written_if_its_activity_would_replace_a_folder(func: Func, folder: Path):
    func("init", "--python", "--model", "V1")
    (folder / "Work_step").mkdir()
    outcome = func("new", "-t", "Durable Functions orchestrator", "-n", "Work")
    assert outcome.code == 2
    assert "already has a 'Work_step'" in outcome.err
    assert not (folder / "Work").exists()


def test_arguments_of_the_app_are_kept_when_it_becomes_durable(func: Func, app: Path):
    (app / "function_app.py").write_text(
        '"""Täxt."""\nimport azure.functions as f\n\nä = 1; api: f.FunctionApp = f.FunctionApp(\n'
        "    http_auth_level=f.AuthLevel.ANONYMOUS,  # everybody\n)\n"
    )
    assert func("new", "-t", "activity", "-n", "Work").code == 0
    text = (app / "function_app.py").read_text()
    assert "ä = 1; api: f.FunctionApp = df.DFApp(\n    http_auth_level=f.AuthLevel.ANONYMOUS,  # everybody\n)" in text
    assert "@api.activity_trigger" in text


def test_blueprint_is_created_and_registered_once(func: Func, app: Path):
    assert func("new", "-t", "HTTP trigger", "-n", "one", "--file", "jobs.py").code == 0
    outcome = func("new", "-t", "HTTP trigger", "-n", "two", "--file", "jobs")
    assert outcome.code == 0
    assert "Registering" not in outcome.out
    assert functions_of(app / "jobs.py") == ["one", "two"]
    main = (app / "function_app.py").read_text()
    assert main.count("from jobs import bp") == 1
    assert main.count("app.register_functions(bp)") == 1


def test_second_blueprint_of_the_same_name_gets_another_one(func: Func, app: Path):
    assert func("new", "-t", "HTTP trigger", "-n", "one", "--file", "jobs.py").code == 0
    assert func("new", "-t", "approval", "-n", "Two", "--file", "flows/two.py").code == 0
    main = (app / "function_app.py").read_text()
    assert "from flows.two import bp as flows_two_bp" in main
    assert "app.register_functions(flows_two_bp)" in main
    assert "bp = df.Blueprint()" in (app / "flows" / "two.py").read_text()


def test_plain_blueprint_becomes_a_durable_one(func: Func, app: Path):
    assert func("new", "-t", "HTTP trigger", "-n", "one", "--file", "jobs.py").code == 0
    assert func("new", "-t", "fan-out", "-n", "Two", "--file", "jobs.py").code == 0
    assert "bp = df.Blueprint()" in (app / "jobs.py").read_text()


def test_line_ends_and_byte_order_mark_stay(func: Func, app: Path):
    path = app / "function_app.py"
    path.write_bytes(b"\xef\xbb\xbfimport azure.functions as func\r\n\r\napp = func.FunctionApp()\r\n")
    assert func("new", "-t", "HTTP trigger", "-n", "hello").code == 0
    content = path.read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    assert content.count(b"\n") == content.count(b"\r\n")


@pytest.mark.parametrize("docs", [(), ("--no-docs",)])
def test_v1_app_gets_a_folder(func: Func, folder: Path, docs: tuple[str, ...]):
    func("init", "--python", "--model", "V1", *docs)
    outcome = func("new", "-t", "Azure Queue Storage trigger", "-n", "work", "--queue-name", "jobs")
    assert outcome.code == 0
    assert 'created successfully from the "Azure Queue Storage trigger" template.' in outcome.out
    document = json.loads((folder / "work" / "function.json").read_text())
    assert document["scriptFile"] == "__init__.py"
    assert document["bindings"][0]["queueName"] == "jobs"
    assert func("new", "-t", "Queue trigger", "-n", "work").code == 2


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "Command must specify --template, and --name explicitly."),
        (["-n", "hello"], "Command must specify --template explicitly."),
        (["-t", "HTTP trigger"], "Command must specify --template, and --name explicitly."),
        (["-t", "HTTP triger", "-n", "hello"], 'Can\'t find template "HTTP triger" in "python".'),
        (["-t", "HTTP triger", "-n", "hello"], "Did you mean 'HTTP trigger'?"),
        (["-t", "HTTP trigger", "-n", "hello", "-a", "nobody"], "Unable to configure Authorization level 'nobody'."),
        (["-t", "HTTP trigger", "-n", "1st"], '"1st" is not a valid function name.'),
        (["-t", "HTTP trigger", "-n", "x"], '"x" is not a valid function name.'),
        (["-t", "HTTP trigger", "-n", "class"], '"class" is not a valid function name.'),
        (["-t", "HTTP trigger", "-n", "app"], "function_app.py already has a 'app'."),
        (["-t", "HTTP trigger", "-n", "logging"], "function_app.py already has a 'logging'."),
        (["-t", "HTTP trigger", "-n", "hello", "--file", "../out.py"], "is outside the app's folder"),
        (["-t", "HTTP trigger", "-n", "hello", "--file", "my-jobs.py"], "cannot be imported"),
        (["-t", "HTTP trigger", "-n", "hello", "-l", "fsharp"], "Language 'fsharp' is not supported"),
        (["-t", "HTTP trigger", "-n", "hello", "--csx"], "--csx is for C# scripts"),
    ],
)
def test_mistakes_end_with_code_2_and_change_nothing(func: Func, app: Path, arguments: list[str], text: str):
    before = {path.name: path.read_bytes() for path in app.iterdir() if path.is_file()}
    outcome = func("new", *arguments)
    assert outcome.code == 2
    assert text in outcome.err
    assert {path.name: path.read_bytes() for path in app.iterdir() if path.is_file()} == before


@pytest.mark.parametrize(
    ("content", "arguments", "text"),
    [
        ("def broken(:\n", [], "function_app.py is not valid Python"),
        ("x = 1\n", [], "function_app.py does not define a FunctionApp"),
        (
            "import azure.functions as func\napp = func.AsgiFunctionApp(app=None)\n",
            ["-t", "activity"],
            "AsgiFunctionApp does not support durable functions",
        ),
    ],
)
def test_app_that_takes_no_function_ends_with_code_3(
    func: Func, app: Path, content: str, arguments: list[str], text: str
):
    (app / "function_app.py").write_text(content)
    outcome = func("new", "-n", "hello", *(arguments or ["-t", "HTTP trigger"]))
    assert outcome.code == 3
    assert text in outcome.err
    assert (app / "function_app.py").read_text() == content


def test_name_that_means_something_else_is_not_taken(func: Func, app: Path):
    (app / "function_app.py").write_text("import azure.functions as f\n\ndef func(): ...\n\napp = f.FunctionApp()\n")
    outcome = func("new", "-t", "HTTP trigger", "-n", "hello")
    assert outcome.code == 2
    assert "uses the name 'func' for something other than" in outcome.err


def test_templates_are_listed(func: Func):
    outcome = func("templates", "list")
    assert outcome.out.startswith("Python Templates:\n  HTTP trigger\n")
    assert "ServiceBus Queue trigger" in outcome.out
    assert func("templates", "list", "-l", "java").code == 2


@pytest.mark.parametrize("template", ["orchestrator", "human interaction"])
def test_a_name_that_is_too_long_for_the_other_functions_of_the_template_is_refused(
    func: Func, app: Path, template: str
):
    before = sorted(app.rglob("*"))
    outcome = func("new", "-t", f"Durable Functions {template}", "-n", "W" * 127)
    assert outcome.code == 2
    assert "is not a valid function name" in outcome.err
    assert sorted(app.rglob("*")) == before


def test_a_v1_orchestrator_is_not_written_if_the_name_of_its_activity_is_too_long(func: Func, folder: Path):
    func("init", "--python", "--model", "V1")
    before = sorted(folder.rglob("*"))
    outcome = func("new", "-t", "Durable Functions orchestrator", "-n", "W" * 124)
    assert outcome.code == 2
    assert f'"{"W" * 124}_step" is not a valid function name' in outcome.err
    assert sorted(folder.rglob("*")) == before
    assert func("new", "-t", "Durable Functions orchestrator", "-n", "W" * 123).code == 0

"""Help and tables fit into the terminal."""

import shlex
import sys
from collections.abc import Iterator

import click
import pytest
from cli_runs import Func

from durable_host.cli import banner
from durable_host.cli.doctor import findings
from durable_host.cli.doctor.command import render
from durable_host.cli.help_layout import fitted
from durable_host.cli.program import program
from durable_host.config.start_options import FunctionLine, StartSummary


def _commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            sub = command.get_command(context, name)
            assert sub is not None
            yield from _commands(sub, (*path, name))


def _too_long(text: str, width: int) -> list[str]:
    """Lines that are longer, unless they have to stay whole: one word, or a command on Windows."""
    lines = [line for line in text.splitlines() if len(line) > width and " " in line.strip()]
    return [line for line in lines if not (sys.platform == "win32" and line.lstrip().startswith("func "))]


@pytest.mark.parametrize("columns", [60, 80])
@pytest.mark.parametrize("path", list(_commands(program)), ids=" ".join)
def test_help_fits_into_the_terminal(func: Func, path: tuple[str, ...], columns: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    outcome = func(*path, "--help")
    assert outcome.code == 0
    assert _too_long(outcome.out, columns) == []


@pytest.mark.parametrize("columns", [1, 20])
def test_a_tiny_terminal_gets_the_help_too(func: Func, columns: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    assert "--script-root" in func("--help").out
    assert "raise-event" in func("durable", "--help").out


@pytest.mark.parametrize(
    "command",
    [
        "func durable start-new --function-name HelloWorld --id hello-1 --input @input.json",
        """func run Approval --content '{"instanceId": "42", "approved": true}' --output json""",
        "func new --template 'Durable Functions human interaction' --name Approval",
        """func run Approval --content '{"instanceId":  "42"}' --output json""",
    ],
)
@pytest.mark.parametrize("width", [24, 40, 58])
def test_an_example_can_be_copied_whatever_the_width(command: str, width: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "platform", "linux")
    shown = "\n".join(fitted(f"    {command}", width))
    assert len(shown.splitlines()) > 1
    assert shlex.split(shown.replace("\\\n", "")) == shlex.split(command)


def test_an_example_is_whole_on_windows_whose_shells_do_not_continue_lines(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "platform", "win32")
    command = "  func new --template 'HTTP trigger' --name Approval"
    assert fitted(command, 24) == [command]


def test_spaces_in_quotes_are_no_column():
    assert fitted("Set it to 'a  b' if the app's own value is empty", 24) == [
        "Set it to 'a  b' if the",
        "app's own value is empty",
    ]


def test_rows_of_a_table_continue_in_their_column():
    assert fitted("  NAME   what it is for, in more words", 24) == [
        "  NAME   what it is for,",
        "         in more words",
    ]
    assert fitted("  a-long-command   in ~/.config/file", 24) == ["  a-long-command", "      in ~/.config/file"]


def test_the_list_of_functions_fits():
    functions = (
        FunctionLine(
            name="ALongerFunctionName", kind="httpTrigger", url="http://localhost:7071/api/ALongerFunctionName"
        ),
        FunctionLine(name="short", kind="httpTrigger", methods=("GET",), url="http://localhost:7071/api/s"),
        FunctionLine(
            name="telemetry", kind="eventHubTrigger", reason="this host has no 'eventHubTrigger'; it runs in Azure"
        ),
        FunctionLine(name="tick", kind="timerTrigger"),
    )
    assert banner.compact_listing(functions, width=60).splitlines() == [
        "Functions",
        "  ALongerFunctionName  any method",
        "    http://localhost:7071/api/ALongerFunctionName",
        "  short                GET",
        "    http://localhost:7071/api/s",
        "  tick                 timerTrigger",
        "  telemetry            eventHubTrigger",
        "    (not served: this host has no 'eventHubTrigger'; it runs",
        "    in Azure)",
    ]


def test_a_reason_of_several_lines_keeps_them():
    reason = "ModuleNotFoundError: No module named 'shop'\n  File function_app.py, line 3\n    import shop"
    functions = (FunctionLine(name="order", kind="httpTrigger", reason=reason, failed_to_load=True),)
    assert banner.compact_listing(functions, width=60).splitlines() == [
        "Functions",
        "  order  httpTrigger",
        "    (does not load: ModuleNotFoundError: No module named",
        "    'shop'",
        "      File function_app.py, line 3",
        "        import shop)",
    ]


def test_facts_continue_below_their_beginning():
    summary = StartSummary(
        base_url="http://localhost:7071", storage="Azurite at 127.0.0.1:10000-10002", azurite_started=True
    )
    assert banner.facts(summary, width=60).startswith(
        "Storage:   Azurite at 127.0.0.1:10000-10002 (started by this\n           host)\nListening: "
    )


def test_findings_continue_in_their_column():
    found = [findings.ok("Python", "Python 3.11.7 at /home/somebody/app/.venv/bin/python (the host's own Python)")]
    assert render(found, width=60).splitlines()[:3] == [
        "ok       Python  Python 3.11.7 at",
        "                 /home/somebody/app/.venv/bin/python (the",
        "                 host's own Python)",
    ]


def test_a_pipe_gets_whole_lines(func: Func, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "60")
    lines = func("templates", "list", "--language", "python").out.splitlines()
    assert max(map(len, lines)) > 60

"""Runs the program in a temporary folder and captures its output."""

from collections.abc import Callable
from pathlib import Path

import pytest
from cli_runs import Func, Outcome

from durable_host.cli import main


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, without the machine's settings."""
    for name in ("AzureWebJobsStorage", "FUNCTIONS_WORKER_RUNTIME", "CLI_DEBUG", "VIRTUAL_ENV"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("REMOTE_CONTAINERS", "true")  # otherwise, there is a note in a container
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def func(folder: Path, capfd: pytest.CaptureFixture[str]) -> Func:
    """`func("init", "--python")`: runs the program in this process."""

    def run(*arguments: str) -> Outcome:
        capfd.readouterr()
        code = main(list(arguments))
        captured = capfd.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """`terminal("2", "hello")`: standard input is a terminal on which a user types these lines."""

    def typed(*lines: str) -> None:
        answers = iter(lines)
        monkeypatch.setattr("durable_host.cli.questions.is_interactive", lambda: True)
        monkeypatch.setattr("click.termui.visible_prompt_func", lambda _: next(answers))
        monkeypatch.setattr("click.termui.hidden_prompt_func", lambda _: next(answers))

    return typed

"""Completion, bundles, and commands of Core Tools that this program does not have."""

import subprocess
import sys
from pathlib import Path

import pytest
from cli_runs import Func

from durable_host.cli.durable import COMMANDS as DURABLE
from durable_host.cli.program import COMMANDS, SECTIONS

ROOT = Path(__file__).parents[2]


@pytest.mark.process
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script_asks_the_program(func: Func, shell: str):
    outcome = func("completion", shell)
    assert outcome.code == 0
    assert "_FUNC_COMPLETE=" in outcome.out


@pytest.mark.process
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("func st", ["start"]),
        ("func durable get-", ["get-instances", "get-runtime-status", "get-history"]),
        ("func new --templ", ["--template"]),
    ],
)
def test_completion_offers_commands_and_options(words: str, expected: list[str]):
    environ = {"_FUNC_COMPLETE": "zsh_complete", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
    outcome = subprocess.run(
        [sys.executable, "-m", "durable_host"], cwd=ROOT, env=environ, capture_output=True, text=True, check=False
    )
    assert outcome.stdout.splitlines()[1::3] == expected


def test_shell_that_is_not_known(func: Func):
    assert func("completion", "tcsh").code == 2


@pytest.mark.parametrize("command", ["add", "download", "list", "path"])
@pytest.mark.parametrize("group", ["bundles", "bundle"])
def test_bundles_need_nothing(func: Func, group: str, command: str):
    outcome = func(group, command, "--force")
    assert outcome.code == 0
    assert "nothing was downloaded" in outcome.out


@pytest.mark.parametrize("arguments", [["install"], ["install", "--package", "Some.Package"], ["sync"]])
def test_extensions_need_no_installation(func: Func, arguments: list[str]):
    """An existing task of an editor may run this before the host."""
    outcome = func("extensions", *arguments)
    assert outcome.code == 0
    assert "there are no extensions to" in outcome.out


@pytest.mark.parametrize("name", ["azure", "kubernetes", "azurecontainerapps"])
def test_what_is_not_part_of_the_program_says_so(func: Func, name: str):
    outcome = func(name, "publish")
    assert outcome.code == 2
    assert "unknown command" not in outcome.err
    assert f"'func {name}'" in outcome.err


@pytest.mark.parametrize("name", list(COMMANDS))
def test_each_command_has_a_help(func: Func, name: str):
    outcome = func(name, "--help")
    assert outcome.code == 0
    assert outcome.out.startswith(f"Usage: func {name}")


@pytest.mark.parametrize("name", list(DURABLE))
def test_each_durable_command_has_a_help_with_the_common_options(func: Func, name: str):
    outcome = func("durable", name, "--help")
    assert outcome.code == 0
    for option in ("--task-hub-name", "--connection-string-setting", "--output"):
        assert option in outcome.out


def test_help_has_each_command_once():
    assert sorted(name for _, names in SECTIONS for name in names) == sorted(COMMANDS)


def test_mistyped_durable_command_is_understood(func: Func):
    outcome = func("durable", "get-instance")
    assert outcome.code == 2
    assert "Did you mean 'get-instances'?\n'func durable --help' shows the usage." in outcome.err

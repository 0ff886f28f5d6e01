"""Commands, options, mistakes and exit codes.

Source: docs/protocol/functions-host-cli.md#general-options, docs/protocol/functions-host-cli.md#start-of-the-host
"""

import json
import logging
import os
import socket
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import durable_host
from durable_host.cli import main
from durable_host.cli.program import in_front
from durable_host.config import HostConfig, StartOptions
from durable_host.errors import HostError


class Recorded:
    """Replaces the host: records what it was asked to run."""

    config: HostConfig
    options: StartOptions
    error: BaseException | None = None

    def run(self, config: HostConfig, options: StartOptions) -> int:
        self.config, self.options = config, options
        if self.error is not None:
            raise self.error
        return 0


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Recorded]:
    recorded = Recorded()
    module: Any = types.ModuleType("durable_host.host")
    module.run_host = recorded.run
    module.__path__ = [str(Path(durable_host.__file__).parent / "host")]  # its other modules are the real ones
    monkeypatch.setitem(sys.modules, "durable_host.host", module)
    monkeypatch.setattr(durable_host, "host", module, raising=False)
    for name in ("CI", "CONTINUOUS_INTEGRATION", "BUILD_NUMBER", "RUN_ID", "CLI_DEBUG", "FUNCTIONS_USER_LOG_LEVEL"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "host.json").write_text('{"version": "2.0"}', "utf-8")
    monkeypatch.setenv("REMOTE_CONTAINERS", "true")  # otherwise, there is a note in a container
    monkeypatch.chdir(tmp_path)
    level = logging.getLogger().level
    yield recorded
    logging.getLogger().setLevel(level)


@pytest.mark.parametrize("arguments", [["start"], ["host", "start"], ["START"], ["--verbose", "start"]])
def test_start_runs_the_app_of_the_folder(host: Recorded, arguments: list[str], tmp_path: Path):
    assert main([*arguments, "--port", "0"]) == 0
    assert host.config.root == tmp_path.resolve()
    assert host.options.azurite == "auto"
    assert host.options.verbose is ("--verbose" in arguments)


def test_options_reach_configuration_and_host(host: Recorded, tmp_path: Path):
    arguments = ["start", "-p", "0", "--address", "localhost", "--cors", "http://a,http://b", "--cors-credentials"]
    arguments += ["--functions", "a", "b", "--azurite", "docker", "--python", "bin/python", "--verbose"]
    assert main([*arguments, "--user-log-level", "Debug"]) == 0
    assert (host.config.port, host.config.address) == (0, "localhost")
    assert (host.config.cors, host.config.cors_credentials) == (("http://a", "http://b"), True)
    assert host.config.host.functions == ("a", "b")
    assert host.config.host.logging.level_for("Function.a.User") == logging.DEBUG
    assert host.options.azurite == "docker"
    assert host.options.python == tmp_path.resolve() / "bin" / "python"
    assert host.options.verbose


@pytest.mark.parametrize(
    "arguments",
    [["--functions", "a", "b"], ["--functions", "a,b"], ["--functions=a", "--functions=b"], ["--functions", "a b"]],
)
def test_functions_are_listed_with_spaces_or_commas(host: Recorded, arguments: list[str]):
    assert main(["start", *arguments, "--port", "0"]) == 0
    assert host.config.host.functions == ("a", "b")


@pytest.mark.parametrize("arguments", [["--no-azurite"], ["--azurite", "off"]])
def test_azurite_can_be_left_alone(host: Recorded, arguments: list[str]):
    assert main(["start", "--port", "0", *arguments]) == 0
    assert host.options.azurite == "off"


@pytest.mark.parametrize("option", ["--script-root", "--prefix"])
def test_script_root_names_the_folder(
    host: Recorded, option: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: Any
):
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert main(["start", "--port", "0", option, str(tmp_path)]) == 0
    assert host.config.root == tmp_path.resolve()
    assert main([option, str(tmp_path), "start", "--port", "0"]) == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["--no-build"],
        ["--dotnet-isolated-debug"],
        ["--useHttps"],
        ["--timeout", "30"],
        ["-t", "30"],
        ["--timeout=30"],
        ["--enable-json-output"],
    ],
)
def test_options_without_a_meaning_here_are_warned_about(
    host: Recorded, arguments: list[str], capsys: pytest.CaptureFixture[str]
):
    assert main(["start", *arguments, "--port", "0"]) == 0
    assert host.config.port == 0
    name = arguments[0].partition("=")[0]
    assert f"{name} is ignored: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "port", "wait"),
    [
        ([], None, False),
        (["--debug"], 5678, False),
        (["--debug", "9091"], 9091, False),
        (["--debug", "--verbose"], 5678, False),
        (["--debug-wait"], 5678, True),
        (["--debug", "9091", "--debug-wait"], 9091, True),
    ],
)
def test_the_debugger_listens_where_it_is_asked_to(host: Recorded, arguments: list[str], port: int | None, wait: bool):
    assert main(["start", "--port", "0", *arguments]) == 0
    assert (host.options.debug_port, host.options.debug_wait) == (port, wait)


def test_switches_of_the_host_reach_it(host: Recorded):
    given = ["--no-reload", "--enableAuth", "--language-worker", "-O"]
    assert main(["start", "--port", "0", *given]) == 0
    assert (host.options.reload, host.options.enable_auth, host.options.worker_arguments) == (False, True, "-O")


def test_without_a_terminal_the_output_is_plain(host: Recorded, capsys: pytest.CaptureFixture[str]):
    main(["start", "--port", "0", "--no-build"])
    assert capsys.readouterr().out.startswith("[")


def test_json_output_is_one_record_a_line(host: Recorded, capsys: pytest.CaptureFixture[str]):
    main(["start", "--port", "0", "--no-build", "--output", "json"])
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["level"] == "Warning"


def test_folder_without_an_app_ends_with_code_3(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    assert main(["start"]) == 3
    assert "Unable to find project root." in capsys.readouterr().err


def test_script_root_that_is_not_a_folder_ends_with_code_2(capsys: pytest.CaptureFixture[str]):
    assert main(["start", "--script-root", "/no/such/folder"]) == 2
    assert "'/no/such/folder' is not a folder" in capsys.readouterr().err


def test_mistake_in_host_json_ends_with_code_3_and_no_traceback(
    host: Recorded, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "host.json").write_text('{"version": "2.0", "extensions": {"queues": {"batchSize": "x"}}}', "utf-8")
    assert main(["start"]) == 3
    captured = capsys.readouterr().err
    assert captured == (
        "error DH1002: host.json: 'extensions.queues.batchSize' is \"x\", expected a whole number from 1 to 32.\n"
    )


def test_port_in_use_ends_with_code_5_and_names_the_process(host: Recorded, capsys: pytest.CaptureFixture[str]):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        assert main(["start", "--port", str(port)]) == 5
    error = capsys.readouterr().err
    assert f"Port {port} is unavailable." in error
    if sys.platform == "linux":
        assert "listens on it: " in error


def test_error_of_the_host_is_shown_with_cause_and_remedy(host: Recorded, capsys: pytest.CaptureFixture[str]):
    class AppFailed(HostError):
        code = "DH4001"
        exit_code = 6

    host.error = AppFailed("The app does not import.", cause="line one\nline two", remedy="Mend it.")
    assert main(["start", "--port", "0"]) == 6
    assert capsys.readouterr().err == (
        "error DH4001: The app does not import.\n  cause:  line one\n          line two\n  remedy: Mend it.\n"
    )


def test_unexpected_failure_ends_with_code_1_and_no_traceback(host: Recorded, capsys: pytest.CaptureFixture[str]):
    host.error = ZeroDivisionError("division by zero")
    assert main(["start", "--port", "0"]) == 1
    error = capsys.readouterr().err
    assert "ZeroDivisionError: division by zero" in error
    assert "Traceback" not in error


@pytest.mark.parametrize("how", ["option", "environment"])
def test_traceback_is_shown_when_asked_for(
    host: Recorded, how: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    host.error = ZeroDivisionError("division by zero")
    if how == "environment":
        monkeypatch.setenv("CLI_DEBUG", "1")
    assert main(["start", "--port", "0", *(["--debug-traceback"] if how == "option" else [])]) == 1
    assert "Traceback (most recent call last):" in capsys.readouterr().err


@pytest.mark.parametrize("option", [["--output", "json"], ["--output=json"], ["--OUTPUT", "JSON"]])
def test_with_json_output_an_error_is_a_json_object(
    host: Recorded, option: list[str], capsys: pytest.CaptureFixture[str]
):
    host.error = HostError("The app cannot be read: \udcff.", cause="one\ntwo", code="DH4001")
    assert main(["start", "--port", "0", *option]) == 1
    line, end = capsys.readouterr().err.split("\n")
    assert (json.loads(line), end) == (
        {"level": "Error", "code": "DH4001", "message": "The app cannot be read: \udcff.", "cause": "one\ntwo",
         "remedy": None},
        "",
    )  # fmt: skip


def test_with_json_output_an_unexpected_failure_is_a_json_object(host: Recorded, capsys: pytest.CaptureFixture[str]):
    host.error = ZeroDivisionError("division by zero")
    assert main(["start", "--port", "0", "--output", "json", "--debug-traceback"]) == 1
    error = json.loads(capsys.readouterr().err)
    assert (error["code"], error["cause"]) == ("DH1000", "ZeroDivisionError: division by zero")
    assert error["traceback"].startswith("Traceback (most recent call last):")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["start", "--output", "json", "--port", "x"], "Invalid value for '-p' / '--port': 'x' is not a valid integer"),
        (["durable", "get-history", "--output", "json", "--idd", "a"], "No such option '--idd'"),
        (["durable", "get-history", "--output=json"], "Missing option '--id'"),
        (["host", "start", "stray", "--output", "json"], "unexpected extra argument"),
        (["run", "--output", "json"], "Missing argument 'NAME'"),
        (["run", "--output", "text", "--output=json"], "Missing argument 'NAME'"),
        (["zzz", "--output", "json"], "unknown command 'zzz'"),
        (["durable", "zzz", "--output", "json"], "unknown command 'zzz'"),
        (["azure", "login", "--output=json"], "manages resources in Azure"),
        (["--stray", "run", "--output", "json"], "No such option '--stray'"),
        (["durable", "--stray", "get-instances", "--output", "json"], "No such option '--stray'"),
    ],
)
def test_with_json_output_a_mistake_in_the_command_line_is_a_json_object(
    host: Recorded, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
):
    assert main(arguments) == 2
    error = json.loads(capsys.readouterr().err)
    assert (error["code"], error["cause"]) == ("DH1010", None)
    assert message in error["message"]
    assert error["remedy"].endswith(" --help' shows the usage.")


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "--output", "json", "--output", "text"],
        ["run", "--output=json", "--output=text"],
        ["zzz", "--output", "json", "--output=text"],
        ["zzz", "--", "--output", "json"],
        ["zzz", "json"],
    ],
)
def test_without_json_output_at_the_end_a_mistake_is_text(arguments: list[str], capsys: pytest.CaptureFixture[str]):
    assert main(arguments) == 2
    assert capsys.readouterr().err.startswith("Error: ")


@pytest.mark.parametrize(
    "arguments", [["pack", "--output", "json", "--stray"], ["durable", "export", "--output", "json", "--stray"]]
)
def test_a_folder_named_json_does_not_change_errors(
    host: Recorded, arguments: list[str], capsys: pytest.CaptureFixture[str]
):
    assert main(arguments) == 2
    assert capsys.readouterr().err.startswith("Error: No such option '--stray'")


@pytest.mark.parametrize("arguments", [["--version"], ["-v"], ["version"]])
def test_version_is_just_the_version(arguments: list[str], capsys: pytest.CaptureFixture[str]):
    assert main(arguments) == 0
    assert capsys.readouterr().out == f"{durable_host.__version__}\n"


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"], ["help"]])
def test_help_lists_the_commands(arguments: list[str], capsys: pytest.CaptureFixture[str]):
    assert main(arguments) == 0
    assert "start" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "usage"),
    [
        (["help", "start"], "func start [OPTIONS]"),
        (["HELP", "durable", "start-new"], "func durable start-new [OPTIONS]"),
        (["durable", "help", "start-new"], "func durable start-new [OPTIONS]"),
        (["help", "settings", "add"], "func settings add [OPTIONS] NAME [VALUE]"),
    ],
)
def test_help_shows_the_command_that_is_named_behind_it(
    arguments: list[str], usage: str, capsys: pytest.CaptureFixture[str]
):
    assert main(arguments) == 0
    assert capsys.readouterr().out.startswith(f"Usage: {usage}\n")


@pytest.mark.parametrize(
    ("given", "understood"),
    [
        ("settings list --script-root app", "--script-root app settings list"),
        ("durable get-instances --Prefix=app --top 3", "--Prefix=app durable get-instances --top 3"),
        ("exec --prefix app -- make --prefix x", "exec --prefix app -- make --prefix x"),
        ("exec npm test --prefix x -- --all", "exec npm test --prefix x -- --all"),
        ("settings list --script-root", "settings list --script-root"),
    ],
)
def test_script_root_may_stand_behind_the_command(given: str, understood: str):
    assert in_front(given.split()) == understood.split()


def test_interrupted_question_ends_with_130(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def interrupted(_: str) -> str:
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("durable_host.cli.questions.is_interactive", lambda: True)
    monkeypatch.setattr("click.termui.visible_prompt_func", interrupted)
    assert main(["init"]) == 130
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("output", "shown"), [("text", "\n"), ("json", "")])
def test_an_interrupt_ends_the_line_unless_the_output_is_json(
    output: str, shown: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("durable_host.cli.run.request_host", interrupted)
    assert main(["run", "hello", "--port", "1", "--output", output]) == 130
    assert capsys.readouterr().err == shown


def test_host_that_is_interrupted_while_it_starts_was_stopped_on_request(host: Recorded):
    host.error = KeyboardInterrupt()
    assert main(["start", "--port", "0"]) == 0


@pytest.mark.process
@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell that closes streams")
def test_standard_streams_that_are_closed_are_opened_on_nothing(tmp_path: Path):
    program = (
        "import os, sys; from durable_host.cli.program import main; main(['--version']); sys.stderr.flush();"
        "open('result', 'w').write(str([os.fstat(number).st_rdev for number in (0, 1, 2)]))"
    )
    subprocess.run(["sh", "-c", '"$0" -c "$1" <&- >&- 2>&-', sys.executable, program], cwd=tmp_path, check=True)
    assert (tmp_path / "result").read_text() == str([os.stat(os.devnull).st_rdev] * 3)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["start", "--functions"], "Option '--functions' requires an argument."),
        (["start", "--functions", "--port", "0"], "Option '--functions' requires an argument."),
        (["durable", "get-instances", "--runtime-status"], "Option '--runtime-status' requires an argument."),
        (["stat"], "unknown command 'stat'. Did you mean 'start'?"),
        (["nwe"], "unknown command 'nwe'. Did you mean 'new'?"),
        (["function", "nwe"], "unknown command 'nwe'. Did you mean 'new'?\n'func function --help' shows the usage."),
        (["settings", "lsit"], "unknown command 'lsit'. Did you mean 'list'?"),
        (["durable", "start"], "unknown command 'start'. Did you mean 'start-new'?"),
        (["zzz"], "unknown command 'zzz'.\n'func --help' shows the usage."),
        (["start", "--prot", "1"], "--port"),
        (["start", "--port", "x"], "'x' is not a valid integer"),
        (["start", "--port", "70000"], "70000 is not in the range"),
        (["start", "--azurite", "maybe"], "'maybe' is not one of"),
        (["start", "stray"], "unexpected extra argument (stray)"),
    ],
)
def test_mistake_in_the_command_line_ends_with_code_2(
    arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]
):
    assert main(arguments) == 2
    assert text in capsys.readouterr().err


def test_unknown_log_level_ends_with_code_2(host: Recorded, capsys: pytest.CaptureFixture[str]):
    assert main(["start", "--user-log-level", "loud"]) == 2
    assert "--user-log-level is 'loud', expected one of Trace, Debug" in capsys.readouterr().err

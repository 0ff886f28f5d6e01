"""How the worker's arguments from editors are interpreted."""

import pytest

from durable_host.errors import ConfigurationError
from durable_host.invocation.python_worker import interpreter_arguments
from durable_host.invocation.worker_options import DebuggerAddress


@pytest.mark.parametrize(
    ("arguments", "address"),
    [
        ("-m debugpy --listen 127.0.0.1:5678", DebuggerAddress(5678)),
        ("-m debugpy --listen 9091", DebuggerAddress(9091)),
        ("-m debugpy --listen=0.0.0.0:1", DebuggerAddress(1, "0.0.0.0")),
        ("-m debugpy --listen [::1]:5678 --wait-for-client", DebuggerAddress(5678, "::1", True)),
        ("-m debugpy --log-to /tmp/x --listen 5678", DebuggerAddress(5678)),
    ],
)
def test_debugpy_becomes_the_debugger_of_the_worker(arguments: str, address: DebuggerAddress) -> None:
    assert interpreter_arguments(arguments.split()) == ((), address)


@pytest.mark.parametrize(
    "arguments",
    ["-m debugpy", "-m debugpy --listen", "-m debugpy --listen host:port", "-m debugpy --connect 5678", "-m debugpy x"],
)
def test_what_debugpy_cannot_do_here_is_refused(arguments: str) -> None:
    with pytest.raises(ConfigurationError, match="are not supported"):
        interpreter_arguments(arguments.split())


def test_other_arguments_go_to_the_interpreter() -> None:
    assert interpreter_arguments(["-X", "dev", "-O"]) == (("-X", "dev", "-O"), None)
    assert interpreter_arguments([]) == ((), None)

"""Tracebacks of exceptions in user code, in logs and error responses."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from durable_host.worker.failures import stack_of


def wrapped(function: Callable[[], Any]) -> Callable[[], Any]:
    """As the 2.x SDK wraps activities and clients: its own code, with the file of the user's function."""
    sdks: dict[str, Any] = {"__file__": "/env/site-packages/azure/durable_functions/internal/compat/activity.py"}
    exec("\n" * 700 + "def sync_wrapper():\n    return function()", {**sdks, "function": function}, sdks)
    wrapper = sdks["sync_wrapper"]
    wrapper.__code__ = wrapper.__code__.replace(co_filename=function.__code__.co_filename)
    return wrapper


def raises() -> None:
    raise ValueError("boom")


def raises_from_another() -> None:
    try:
        wrapped(raises)()
    except ValueError as error:
        raise RuntimeError("outer") from error


def run_by(file: str) -> Callable[[], Any]:
    """A function that a file of a library calls."""
    library: dict[str, Any] = {"function": raises}
    exec(compile("def process_event():\n    return function()", file, "exec"), library)
    return library["process_event"]


def stack(function: Callable[[], Any]) -> str:
    try:
        function()
    except Exception as error:
        return stack_of(error)
    raise AssertionError("it did not raise")


def test_wrappers_of_the_sdk_that_name_the_users_file_are_left_out() -> None:
    told = stack(wrapped(raises))
    assert "sync_wrapper" not in told
    assert f'File "{Path(__file__)}"' in told
    assert "in raises" in told


def test_wrappers_in_causes_are_left_out_too() -> None:
    told = stack(raises_from_another)
    assert "ValueError: boom" in told
    assert "sync_wrapper" not in told


@pytest.mark.parametrize(
    "file",
    ["/env/site-packages/durabletask/worker.py", "/env/site-packages/azure/durable_functions/orchestrator.py"],
)
def test_frames_of_the_sdks_are_left_out_where_there_are_frames_of_the_app(file: str) -> None:
    told = stack(run_by(file))
    assert "process_event" not in told
    assert "in raises" in told

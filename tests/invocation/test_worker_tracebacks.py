"""The traceback of an exception of user code, as logs and error responses show it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

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

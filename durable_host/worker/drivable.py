"""Checks whether an orchestrator can be driven event by event, and finds the user's function in it."""

from __future__ import annotations

from importlib import import_module
from typing import Any

EXECUTOR_MODULE = "azure.durable_functions.models.TaskOrchestrationExecutor"
ORCHESTRATOR_MODULE = "azure.durable_functions.orchestrator"


class CannotDrive(Exception):
    """The installed SDK lacks the parts that are needed for driving, or the app has replaced them."""


def user_code_of(function: Any) -> Any:
    """The user's function in the result of `Orchestrator.create`. Raises CannotDrive.

    A wrapper around it, or a replaced part of the SDK, must run in each episode, but driving would bypass it.
    """
    if not _is_of_module(function, ORCHESTRATOR_MODULE):
        raise CannotDrive("the orchestrator is not the result of Orchestrator.create")
    cells: dict[str, Any] = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=False))
    if "fn" not in cells:
        raise CannotDrive("this SDK has a different Orchestrator.create")
    executors: Any = import_module(EXECUTOR_MODULE)
    for method, module in (
        (function.__globals__["Orchestrator"].handle, ORCHESTRATOR_MODULE),
        (executors.TaskOrchestrationExecutor.execute, EXECUTOR_MODULE),
    ):
        if not _is_of_module(method, module):
            raise CannotDrive(f"{method.__qualname__} was replaced")
    return cells["fn"].cell_contents


def _is_of_module(function: Any, module: str) -> bool:
    """True if the code is defined in this module; decorators copy `__module__`, but not the globals."""
    return getattr(function, "__globals__", {}).get("__name__") == module

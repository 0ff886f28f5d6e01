"""The SDK's warning about early events is left out; its other warnings are not."""

import warnings
from importlib import import_module
from typing import Any

import pytest

from durable_host.worker.drivable import EXECUTOR_MODULE
from durable_host.worker.sdk_warnings import leave_out_early_events


@pytest.fixture
def executors(monkeypatch: pytest.MonkeyPatch) -> Any:
    module: Any = import_module(EXECUTOR_MODULE)
    monkeypatch.setattr(module, "warnings", warnings)
    leave_out_early_events()
    leave_out_early_events()
    return module


def completed(executors: Any, fields: dict[str, Any], key: str) -> list[str]:
    """The warnings of an executor about a completion that nothing waits for."""
    models: Any = import_module("azure.durable_functions.models")
    common = {"EventId": -1, "IsPlayed": False, "Timestamp": "2024-01-01T00:00:00Z"}
    history = [{"EventType": 12, **common}, {"EventType": 15, **common, **fields}]
    executor = executors.TaskOrchestrationExecutor()
    executor.context = models.DurableOrchestrationContext(history, "i", False, None)
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        executor.set_task_value(executor.context.histories[1], True, key)
    assert list(executor.context.deferred_tasks) == [next(iter(fields.values()))]
    return [str(one.message) for one in shown]


@pytest.mark.parametrize("name", ["approval", "", "order 7", "line 1\nline 2"])
def test_an_event_before_its_wait_is_not_a_duplicate(executors: Any, name: str) -> None:
    assert completed(executors, {"Name": name, "Input": "1"}, "Name") == []


def test_the_completion_of_an_unknown_task_is_shown(executors: Any) -> None:
    shown = completed(executors, {"TaskScheduledId": 7, "Result": "1"}, "TaskScheduledId")
    assert shown == ["Potential duplicate Task completion for TaskId: 7"]


def test_other_warnings_name_the_place_in_the_sdk(executors: Any) -> None:
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        executors.warnings.warn("Something else.", DeprecationWarning)
    (one,) = shown
    assert (str(one.message), one.category, one.filename) == ("Something else.", DeprecationWarning, __file__)
    assert executors.warnings.catch_warnings is warnings.catch_warnings

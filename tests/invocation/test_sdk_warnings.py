"""The SDK's warning about early events is left out; its other warnings are not."""

import warnings
from importlib import import_module
from typing import Any

import pytest
from first_turn import MODES, turn

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


@pytest.mark.parametrize("name", ["7", "9e952959-5e33-4daf-827f-2fa12937b875", "9E952959-5E33-4DAF-827F-2FA12937B875"])
def test_an_event_that_may_be_the_response_of_an_entity_is_shown(executors: Any, name: str) -> None:
    shown = completed(executors, {"Name": name, "Input": "1"}, "Name")
    assert shown == [f"Potential duplicate Task completion for TaskId: {name}"]


def collects_late(context: Any) -> Any:
    yield context.call_activity("work")
    return (yield context.wait_for_external_event("approval"))


@pytest.mark.parametrize("mode", MODES)
def test_an_early_event_of_the_first_run_is_no_duplicate(monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    monkeypatch.setattr(import_module(EXECUTOR_MODULE), "warnings", warnings)
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        answer = turn(collects_late, mode, None, {"EventType": 15, "Name": "approval", "Input": "1"})
    assert "work" in answer["state"]
    assert [str(one.message) for one in shown] == []


def test_other_warnings_name_the_place_in_the_sdk(executors: Any) -> None:
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        executors.warnings.warn("Something else.", DeprecationWarning)
    (one,) = shown
    assert (str(one.message), one.category, one.filename) == ("Something else.", DeprecationWarning, __file__)
    assert executors.warnings.catch_warnings is warnings.catch_warnings


@pytest.mark.parametrize("stacklevel", [-1, 0, 1, 2, 3])
@pytest.mark.parametrize("is_positional", [True, False])
def test_a_given_stack_level_names_the_same_line_as_without_the_host(
    executors: Any, stacklevel: int, is_positional: bool
) -> None:
    def tell(module: Any) -> None:
        if is_positional:
            module.warn("Something else.", UserWarning, stacklevel)
        else:
            module.warn("Something else.", stacklevel=stacklevel)

    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        for module in (warnings, executors.warnings):
            tell(module)
    without, with_host = shown
    assert (with_host.filename, with_host.lineno) == (without.filename, without.lineno)
    assert with_host.category is without.category

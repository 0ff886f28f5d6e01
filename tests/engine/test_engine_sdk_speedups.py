"""The faster parts return the same results as the SDK's own."""

import os
from importlib.util import find_spec, module_from_spec
from typing import Any

import pytest
from azure.durable_functions.models.TaskOrchestrationExecutor import TaskOrchestrationExecutor
from dateutil.parser import parse as general
from hypothesis import given
from hypothesis import strategies as st

from durable_host import timestamp
from durable_host.worker.sdk_speedups import executor_factory, strict_mode_check, timestamp_parser

quick = timestamp_parser(general)


@pytest.fixture
def codec() -> Any:
    """The SDK's module as it is imported, whatever this process has replaced in it."""
    spec = find_spec("azure.functions._durable_functions")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@given(st.integers(timestamp.parse("0100-01-01T00:00:00Z"), timestamp.MAX_TICKS))
def test_timestamps_of_the_protocol_parse_alike(ticks):
    text = timestamp.to_text(ticks)
    assert (quick(text), quick(text).tzinfo) == (general(text), general(text).tzinfo)


@given(st.sampled_from(["2026-01-01T00:00:00", "2026-01-01T00:00:00.5+02:00", "2026-01-01", "1 Jan 2026 10:00Z"]))
def test_other_forms_are_left_to_the_general_parser(text):
    assert quick(text) == general(text)


def test_executors_are_as_new_and_independent():
    make = executor_factory(TaskOrchestrationExecutor)
    first, second, new = make(), make(), TaskOrchestrationExecutor()
    assert vars(first).keys() == vars(new).keys()
    assert make is not TaskOrchestrationExecutor
    assert first.current_task is not second.current_task
    assert first.current_task.state is new.current_task.state
    assert (first.output, first.exception, first.orchestrator_returned) == (None, None, False)


def test_the_quick_check_for_strict_types_follows_the_environment(codec: Any, monkeypatch: pytest.MonkeyPatch):
    variable = codec._STRICT_ENV_VAR
    monkeypatch.delenv(variable, raising=False)
    quick_check = strict_mode_check(codec._is_strict_mode, variable)
    assert quick_check is not codec._is_strict_mode
    assert not quick_check()
    for value, is_strict in (("1", True), (" True", True), ("0", False), ("", False)):
        monkeypatch.setenv(variable, value)
        assert quick_check() is codec._is_strict_mode() is is_strict
    monkeypatch.delenv(variable)
    assert not quick_check()
    monkeypatch.setattr(os, "environ", {variable: "yes"})
    assert quick_check()


def test_a_check_that_does_not_follow_the_variable_alone_is_not_replaced(codec: Any, monkeypatch: pytest.MonkeyPatch):
    variable = codec._STRICT_ENV_VAR
    monkeypatch.delenv(variable, raising=False)
    option: list[bool] = []
    for check in (lambda: bool(option), bool):
        assert strict_mode_check(check, variable) is check
    monkeypatch.setattr(codec, "_TRUTHY", {""})
    assert strict_mode_check(codec._is_strict_mode, variable) is codec._is_strict_mode

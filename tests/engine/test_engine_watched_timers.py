"""Several threads make the SDK's timers report: none of them runs code before they do."""

from importlib import import_module
from types import ModuleType

import pytest
from azure.durable_functions import models
from azure.durable_functions.models.Task import LongTimerTask

from durable_host.worker import timer_notes

METHODS = [(models.DurableOrchestrationContext, "create_timer"), (LongTimerTask, "cancel")]


def is_reporting(owner: type, name: str) -> bool:
    return hasattr(getattr(owner, name), "durable_host_original")


def test_a_thread_that_arrives_while_another_begins_waits_for_reports(monkeypatch: pytest.MonkeyPatch):
    timer_notes.watch_timers()
    for owner, name in METHODS:
        monkeypatch.setattr(owner, name, getattr(owner, name).durable_host_original)
    monkeypatch.setattr(timer_notes, "_watched", None)
    seen: list[list[bool]] = []

    def import_while_another_thread_comes(name: str) -> ModuleType:
        if name.endswith(".Task") and not seen:
            seen.append([])
            timer_notes.watch_timers()
            seen.append([is_reporting(*method) for method in METHODS])
        return import_module(name)

    monkeypatch.setattr(timer_notes, "import_module", import_while_another_thread_comes)
    timer_notes.watch_timers()
    assert seen == [[], [True, True]]
    originals = [getattr(owner, name).durable_host_original for owner, name in METHODS]
    assert not any(hasattr(original, "durable_host_original") for original in originals)

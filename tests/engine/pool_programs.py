"""Random orchestrators that use their tasks in any way: several times, in several compound tasks, never awaited.

A program is a list of statements: `["one", tasks]`, `["all", tasks]`, `["any", tasks]`, `["nested", tasks]` (any of a
task_all of the first two and the others), `["race", tasks]` (any, then the timers are cancelled), `["cancel", tasks]`
and `["signal", tasks]`. A task is the index of an entry in the pool: `activity`, `fails`, `retry`, `timer`, `event`,
`child`, `entity`. It is created when a statement first names it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import azure.durable_functions as df
from hypothesis import strategies as st

KINDS = ("activity", "activity", "fails", "timer", "event", "child", "entity")
STATEMENTS = ("one", "all", "any", "race", "nested", "cancel", "signal")
SIZE = 6


def pools(kinds: tuple[str, ...] = KINDS) -> st.SearchStrategy[dict[str, Any]]:
    """Programs that use tasks as they like."""
    tasks = st.lists(st.integers(0, SIZE - 1), min_size=1, max_size=4, unique=True)
    return _program(kinds, st.lists(st.tuples(st.sampled_from(STATEMENTS), tasks), min_size=1, max_size=7))


def simple_pools(kinds: tuple[str, ...] = KINDS) -> st.SearchStrategy[dict[str, Any]]:
    """Programs that use each task once."""

    def split(order: list[int], sizes: list[tuple[str, int]]) -> list[tuple[str, list[int]]]:
        rest = iter(order)
        statements = [(name, list(itertools.islice(rest, size))) for name, size in sizes]
        return [(name, tasks) for name, tasks in statements if tasks or name == "signal"]

    names = st.sampled_from([name for name in STATEMENTS if name != "cancel"])
    sizes = st.lists(st.tuples(names, st.integers(1, 3)), min_size=1, max_size=6)
    return _program(kinds, st.builds(split, st.permutations(range(SIZE)), sizes))


def _program(kinds: tuple[str, ...], code: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    task = st.fixed_dictionaries({"kind": st.sampled_from(kinds), "seconds": st.integers(0, 4)})
    return st.fixed_dictionaries({"tasks": st.lists(task, min_size=SIZE, max_size=SIZE), "code": code})


def pooled(context: df.DurableOrchestrationContext):
    program = context.get_input()
    tasks: dict[int, Any] = {}

    def task(index: int) -> Any:
        if index not in tasks:
            tasks[index] = _create(context, index, program["tasks"][index])
        return tasks[index]

    for statement, indexes in program["code"]:
        if statement == "signal":
            context.signal_entity(df.EntityId("counter", "signalled"), "add", 1)
        elif statement == "cancel":
            cancel(tasks.get(index) for index in indexes)
        else:
            try:
                yield compound(context, statement, [task(index) for index in indexes])
            except Exception:
                statement = "race"
            if statement == "race":
                cancel(tasks[index] for index in indexes)
    return "end"


def compound(context: df.DurableOrchestrationContext, statement: str, tasks: list[Any]) -> Any:
    match statement:
        case "one":
            return tasks[0]
        case "all":
            return context.task_all(tasks)
        case "nested" if len(tasks) > 1:
            return context.task_any([context.task_all(tasks[:2]), *tasks[2:]])
        case _:
            return context.task_any(tasks)


def cancel(tasks: Iterable[Any]) -> None:
    for task in tasks:
        if hasattr(task, "cancel") and not task.is_completed:
            task.cancel()


def _create(context: df.DurableOrchestrationContext, index: int, task: dict[str, Any]) -> Any:
    match task["kind"]:
        case "activity" | "fails" as kind:
            return context.call_activity(kind, index)
        case "retry":
            return context.call_activity_with_retry("fails", df.RetryOptions(1000, 2), index)
        case "timer":
            return context.create_timer(context.current_utc_datetime + timedelta(seconds=task["seconds"]))
        case "event":
            return context.wait_for_external_event(EVENTS[task["seconds"]])
        case "child":
            return context.call_sub_orchestrator("child", index)
        case _:
            return context.call_entity(df.EntityId("counter", f"k{index}"), "get")


EVENTS = ("A", "A", "a", "B", "C")


def child(context: df.DurableOrchestrationContext):
    return (yield context.call_activity("activity", context.get_input()))


def fails(value: Any) -> None:
    raise ValueError(f"failed {value}")


ACTIVITIES = {"activity": lambda value: value, "fails": fails}

"""Orchestrators whose code relies on running from its beginning in each episode, as in Azure.

Each takes the number of its steps as input. A step is an activity `work` with the step's number.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import inspect
import os
import random
import sqlite3
import threading
from typing import Any

TASK_COMPLETED = 5


class _Pending(BaseException):
    def __init__(self, task: Any) -> None:
        self.task = task


class Tracker:
    """What the SDK's agents integration does: results come out of the whole history, at once."""

    def __init__(self, context: Any) -> None:
        self.context = context
        self.calls = 0
        self.queued: list[Any] = []

    def result(self, number: int) -> Any:
        task = self.context.call_activity("work", number)
        self.calls += 1
        done = [event for event in self.context.histories if event.event_type == TASK_COMPLETED]
        if len(done) < self.calls:
            raise _Pending(task)
        self.queued.append(task)
        return done[self.calls - 1].Result


def tracked(code):
    @functools.wraps(code)
    def orchestrator(context):
        tracker = Tracker(context)
        try:
            result = code(context, tracker)
        except _Pending as pending:
            for task in [*tracker.queued, pending.task]:
                yield task
            return None
        for task in tracker.queued:
            yield task
        return result

    return orchestrator


@tracked
def walks_the_history(context, tracker):
    return [tracker.result(number) for number in range(context.get_input())]


@tracked
def walks_the_history_late(context, tracker):
    return sum(int(tracker.result(number)) for number in range(context.get_input()))


def counts_the_history(context):
    for number in range(context.get_input()):
        yield context.call_activity("work", number)
    return [event.event_type for event in context.histories if event.event_type == TASK_COMPLETED]


def reads_the_private_history(context):
    for number in range(context.get_input()):
        yield context.call_activity("work", number)
    return [event.Result for event in context._histories if event.event_type == TASK_COMPLETED]


def looks_at_flags(context):
    seen = []
    for number in range(context.get_input()):
        yield context.call_activity("work", number)
        seen = [event.is_played for event in context.histories if event.event_type == TASK_COMPLETED]
    return seen


def asks_early(context):
    was_new = not context.is_replaying
    for number in range(context.get_input()):
        yield context.call_activity("work", number)
    return was_new


def counts_what_is_new(context):
    new = 0
    for number in range(context.get_input()):
        if not context.is_replaying:
            new += 1
        yield context.call_activity("work", number)
    return new


def notices_the_end_of_the_replay(context):
    noticed = []
    before = context.is_replaying
    for number in range(context.get_input()):
        yield context.call_activity("work", number)
        now = context.is_replaying
        if before and not now:
            noticed.append(number)
        before = now
    return noticed


def asks_before_it_makes_the_generator(context):
    is_new = not context.is_replaying

    def steps():
        for number in range(context.get_input()):
            yield context.call_activity("work", number)
        return is_new

    return steps()


_current: Any = None


def keeps_its_context_in_a_global(context):
    global _current
    _current = context
    for number in range(context.get_input()):
        yield _work(number)
    return _current.instance_id


def _work(number: int) -> Any:
    return _current.call_activity("work", number)


class Current:
    name = ""


def keeps_its_name_in_a_class(context):
    Current.name = context.instance_id
    for number in range(context.get_input()):
        yield context.call_activity("work", number)
    return Current.name


_names: dict[str, str] = {}


def keeps_its_name_in_a_dict(context):
    _names["current"] = context.instance_id
    for number in range(context.get_input()):
        yield context.call_activity("work", number)
    return _names["current"]


def keeps_its_context_in_a_dict_by_a_helper(context):
    _enter(context)
    for number in range(context.get_input()):
        yield _contexts["current"].call_activity("work", number)
    return _contexts["current"].instance_id


_contexts: dict[str, Any] = {}


def _enter(context: Any) -> None:
    _contexts["current"] = context


_bound: contextvars.ContextVar[Any] = contextvars.ContextVar("bound")


def binds_a_context_variable(context):
    token = _bound.set(context.instance_id)
    for number in range(context.get_input()):
        yield context.call_activity("work", number)
    bound = _bound.get()
    _bound.reset(token)
    return bound


_local = threading.local()


def opens_something_in_its_thread(context):
    opened = threading.current_thread()
    for number in range(context.get_input()):
        yield context.call_activity("work", number)
    if threading.current_thread() is not opened:
        raise RuntimeError("opened in another thread")
    return "closed"


def keeps_something_in_its_thread(context):
    _local.name = context.instance_id
    for number in range(context.get_input()):
        yield context.call_activity("work", number)
    return _local.name


def opens_a_database(context):
    database = sqlite3.connect(":memory:")
    for number in range(context.get_input()):
        yield context.call_activity("work", number)
    return database.execute("select 7").fetchone()[0]


async def _seven() -> int:
    return 7


def sets_the_event_loop_of_its_thread(context):
    asyncio.set_event_loop(asyncio.new_event_loop())
    try:
        for number in range(context.get_input()):
            yield context.call_activity("work", number)
        return asyncio.get_event_loop().run_until_complete(_seven())
    finally:
        with contextlib.suppress(RuntimeError):
            asyncio.get_event_loop().close()
        asyncio.set_event_loop(None)


def notices_the_end_of_the_episode(context):
    """Forgets what it holds when its episode ends."""
    held = {"open": True}
    try:
        for number in range(context.get_input()):
            yield context.call_activity("work", number)
            assert held["open"]
    except GeneratorExit:
        held["open"] = False
        raise
    return dict(held)


def is_a_wrapper_that_forwards(context):
    """A generator that drives another one by hand."""
    inner = counts_what_is_new(context)
    value = None
    try:
        task = next(inner)
        while True:
            try:
                value = yield task
            except Exception as error:
                task = inner.throw(error)
            else:
                task = inner.send(value)
    except StopIteration as stop:
        return stop.value


def returns_at_once(context):
    return [context.is_replaying, len(context.histories), context.get_input()]


def handles_errors_of_its_tasks(context):
    errors = []
    for number in range(context.get_input()):
        try:
            yield context.call_activity("work", -1 - number)
        except Exception:
            errors.append(context.is_replaying)
    return errors


def waits_for_some_at_once(context):
    tasks = [context.call_activity("work", number) for number in range(context.get_input())]
    first = yield context.task_any(tasks)
    told = [context.is_replaying, tasks.index(first)]
    yield context.task_all(tasks)
    return [*told, len(context.histories)]


def stores_things_on_its_context(context):
    for number in range(context.get_input()):
        context.told = [*getattr(context, "told", []), number]
        context.function_context.last = number
        yield context.call_activity("work", number)
    return [context.told, context.function_context.last] if context.get_input() else None


def continues_as_new(context):
    was_new = not context.is_replaying
    yield context.call_activity("work", 0)
    if context.get_input():
        context.continue_as_new(context.get_input() - 1)
    return was_new


_lock = threading.Lock()


def holds_a_lock(context):
    with _lock:
        for number in range(context.get_input()):
            yield context.call_activity("work", number)
    return "let go"


def _call_me(name: str) -> None:
    global _called
    _called = name


_called = ""


def keeps_its_name_in_a_global_by_a_helper(context):
    _call_me(context.instance_id)
    for number in range(context.get_input()):
        yield context.call_activity("work", number)
    return _called


class Holder:
    def __init__(self) -> None:
        self.names: list[str] = []

    def take(self, name: str) -> None:
        self.last = name
        self.names.append(name)


_holder = Holder()


def keeps_its_name_in_an_object(context):
    _holder.take(context.instance_id)
    for number in range(context.get_input()):
        yield context.call_activity("work", number)
    return [_holder.last, _holder.names[-1]]


def _with_a_stack(code):
    names: list[str] = []

    @functools.wraps(code)
    def orchestrator(context):
        names.append(context.instance_id)
        try:
            result = yield from code(context)
            return [result, names[-1]]
        finally:
            names.pop()

    return orchestrator


@_with_a_stack
def keeps_its_name_on_a_stack_around_it(context):
    for number in range(context.get_input()):
        yield context.call_activity("work", number)
    return context.instance_id


@contextlib.contextmanager
def _named(name: str):
    key = "NAME"
    os.environ[key] = name
    try:
        yield
    finally:
        os.environ.pop(key, None)


def keeps_its_name_in_the_environment(context):
    with _named(context.instance_id):
        for number in range(context.get_input()):
            yield context.call_activity("work", number)
        return os.environ["NAME"]


def seeds_the_generator_of_all(context):
    random.seed(context.instance_id)
    numbers = [random.random()]
    for number in range(context.get_input()):
        yield context.call_activity("work", number)
        numbers.append(random.random())
    return numbers


def looks_at_its_tasks(context):
    tasks = [context.call_activity("work", number) for number in range(context.get_input())]
    yield from tasks
    return [task.is_played for task in tasks]


def looks_behind_its_context(context):
    was_new = not vars(context)["_is_replaying"]
    for number in range(context.get_input()):
        yield context.call_activity("work", number)
    return [was_new, len(vars(context)["_histories"])]


def _is_program(name: str, code: Any) -> bool:
    if name.startswith("_") or not inspect.isfunction(code) or code.__module__ != __name__:
        return False
    return "context" in inspect.signature(code).parameters


PROGRAMS = [code for name, code in list(globals().items()) if _is_program(name, code)]

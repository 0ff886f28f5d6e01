"""Code that continues differently in a replay than in a live session: all ways to run it must agree."""

import functools
import random
import threading

import azure.durable_functions as df
import pytest
from engine_world import World, completed
from examples import examples
from fresh_programs import (
    PROGRAMS,
    asks_early,
    counts_the_history,
    keeps_its_context_in_a_global,
    keeps_its_name_in_a_class,
    keeps_its_name_in_a_dict,
    keeps_something_in_its_thread,
    notices_the_end_of_the_episode,
    opens_something_in_its_thread,
    walks_the_history,
    walks_the_history_late,
)
from hypothesis import given
from hypothesis import strategies as st

from durable_host.worker.orchestrations_v1 import OrchestrationSessions

PROGRAM = st.sampled_from(PROGRAMS)
STEPS = st.integers(0, 4)
SEEDS = st.integers(0, 2**32)


def work(number: int) -> int:
    if number < 0:
        raise ValueError("work failed")
    return number * 10


class InOtherThreads(OrchestrationSessions):
    """Runs each turn in a thread of its own, as a pool may do."""

    def handle(self, request, function):
        answers = []
        turn = threading.Thread(target=lambda: answers.append(super(InOtherThreads, self).handle(request, function)))
        turn.start()
        turn.join()
        return answers[0]


def played(program, steps, seed, mode, *, drops=False, threads=False):
    """Two instances of the program at the same time."""
    world = World([program], {"work": work}, mode=mode)
    if threads:
        world.calls.sessions = InOtherThreads()
    for instance_id in ("inst1", "inst2"):
        world.messages.append(world.start(program.__name__, steps, instance_id))
    if drops:
        chance, state = random.Random(seed), world.state
        world.state = lambda instance_id="inst1": (
            world.drop(instance_id) if chance.random() < 0.4 else None,
            state(instance_id),
        )[1]
    world.play(seed=seed)
    return world


@examples(250)
@given(PROGRAM, STEPS, SEEDS)
def test_live_cold_and_one_shot_give_the_same_history(program, steps, seed):
    live = played(program, steps, seed, "live")
    assert played(program, steps, seed, "cold").committed == live.committed
    assert played(program, steps, seed, "one_shot").committed == live.committed


@examples(150)
@given(PROGRAM, STEPS, SEEDS)
def test_other_threads_and_lost_sessions_change_nothing(program, steps, seed):
    live = played(program, steps, seed, "live")
    assert played(program, steps, seed, "live", threads=True).committed == live.committed
    assert played(program, steps, seed, "live", drops=True).committed == live.committed


def finished(program, steps=2, **options):
    world = World([program], {"work": work}, **options)
    world.messages.append(world.start(program.__name__, steps))
    world.play()
    return world


@pytest.mark.parametrize(
    ("program", "result"),
    [
        (walks_the_history, ["0", "10"]),
        (walks_the_history_late, 10),
        (counts_the_history, [5, 5]),
        (asks_early, False),
        (keeps_its_context_in_a_global, "inst1"),
        (keeps_something_in_its_thread, "inst1"),
        (keeps_its_name_in_a_class, "inst1"),
        (keeps_its_name_in_a_dict, "inst1"),
        (notices_the_end_of_the_episode, {"open": True}),
    ],
)
@pytest.mark.parametrize("mode", ["live", "cold", "one_shot"])
def test_the_result_is_that_of_azure(program, result, mode):
    assert finished(program, mode=mode).result == result


def notes(world):
    return [(found.severity, found.code, found.text) for found in world.diagnostics]


def test_why_code_is_replayed_each_time_is_said_once():
    world = World([walks_the_history], {"work": work})
    for instance_id in ("inst1", "inst2"):
        world.messages.append(world.start("walks_the_history", 3, instance_id))
    world.play()
    [(severity, code, text)] = notes(world)
    assert (severity, code) == ("information", "DH6146")
    assert "'walks_the_history' is not kept alive between episodes, because it reads context.histories at" in text
    assert "fresh_programs.py:" in text


def test_a_question_that_matters_is_named_for_those_who_look_closely():
    [(severity, code, text)] = notes(finished(asks_early))
    assert (severity, code) == ("debug", "DH6146")
    assert "it asks context.is_replaying at" in text


def test_code_that_is_replayed_each_time_gets_its_history_with_the_first_request():
    world = finished(walks_the_history, 3)
    assert all("payload" in request for request in world.calls.requests)
    assert len(world.calls.requests) == 4
    assert len(world.calls.sessions) == 0


def test_an_error_of_its_own_gets_a_second_opinion():
    world = World([opens_something_in_its_thread], {"work": work})
    world.calls.sessions = InOtherThreads()
    world.messages.append(world.start("opens_something_in_its_thread", 1))
    world.play()
    assert world.result == "closed"
    [(_, code, text)] = notes(world)
    assert code == "DH6146"
    assert "kept alive it failed (RuntimeError" in text


def test_the_error_of_a_task_needs_no_second_opinion():
    def orch(context):
        try:
            yield context.call_activity("work", -1)
        except Exception as error:
            raise RuntimeError("given up") from error

    world = finished(orch)
    assert "given up" in world.history()[-2].result
    assert len([request for request in world.calls.requests if "payload" in request]) == 1


def test_a_wrapper_around_the_decorated_orchestrator_runs_in_each_episode():
    episodes = []

    def code(context):
        for number in range(2):
            yield context.call_activity("work", number)

    handle = df.Orchestrator.create(code)

    @functools.wraps(handle)
    def wrapper(context):
        episodes.append(1)
        return handle(context)

    world = World({}, {"work": work}, handles={"code": wrapper})
    world.messages.append(world.start("code"))
    world.play()
    assert len(episodes) >= 3


def test_a_replaced_part_of_the_sdk_runs_in_each_episode(monkeypatch):
    episodes = []
    original = df.Orchestrator.handle

    def handle(self, context):
        episodes.append(context.instance_id)
        return original(self, context)

    monkeypatch.setattr(df.Orchestrator, "handle", handle)
    world = finished(asks_early)
    assert len(episodes) >= 3
    assert world.result is False


def test_a_context_variable_lasts_to_the_next_turn_of_its_instance_only():
    import contextvars

    name = contextvars.ContextVar("name", default="nobody")

    def orch(context):
        name.set(context.instance_id)
        yield context.call_activity("work", 0)
        return name.get()

    world = World([orch], {"work": work})
    for instance_id in ("inst1", "inst2"):
        world.deliver(world.start("orch", instance_id=instance_id), instance_id=instance_id)
    world.deliver(completed(0), time=1)
    assert world.result == "inst1"
    assert name.get() == "nobody"
    assert not notes(world)


@pytest.mark.parametrize(
    "guard",
    [
        "if not context.is_replaying:\n            logging.info('step')",
        "if context.is_replaying is False:\n            log.info('step')",
        "if context.is_replaying is False:\n            seen.append(1)",
        "if not context.is_replaying:\n            seen.append(1)",
        "if not context.is_replaying:\n            seen = [1]",
        "if not context.is_replaying:\n            log.info('step'); print(1)",
        "if not context.is_replaying and context.instance_id:\n            print(1)",
    ],
)
def test_only_a_guard_of_log_lines_is_no_question(guard, tmp_path):
    file = tmp_path / "orchestrator.py"
    file.write_text(
        "import logging\nlog = logging.getLogger()\nseen = []\n"
        f"def orch(context):\n    seen = []\n    for number in range(2):\n        {guard}\n"
        "        yield context.call_activity('work', number)\n"
    )
    names = {}
    exec(compile(file.read_text(), str(file), "exec"), names)
    world = finished(names["orch"])
    is_live = [request for request in world.calls.requests if "payload" not in request]
    assert bool(is_live) == ("log" in guard)


class Adder:
    def __init__(self):
        self.numbers = []

    def add(self, number):
        self.numbers.append(number)
        self.last = number


TABLE = {"factor": [10]}


def _twice(number):
    found = {}
    found["twice"] = number * 2
    return found


def test_code_that_changes_only_what_is_its_own_stays_alive():
    def orch(context):
        adder, found = Adder(), {}
        for number in range(3):
            adder.add(TABLE["factor"][0])
            found[number] = _twice(number)
            yield context.call_activity("work", number)
        return [adder.numbers, found[0]]

    world = finished(orch)
    assert world.result == [[10, 10, 10], {"twice": 0}]
    assert len([request for request in world.calls.requests if "payload" in request]) == 1
    assert not notes(world)

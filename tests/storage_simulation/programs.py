"""Random orchestrations: a program is a list of steps that an orchestrator interprets, and predicts the result.

A step is a list: its kind, then its arguments. Texts in a program are unique in the whole run, so each result, event
and signal can be told from all others.
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from random import Random
from typing import Any

import azure.durable_functions as df

Step = list[Any]
EARLY = timedelta(seconds=0.5)
"""The product delivers a timer at most this much too early: queues know whole seconds only."""
ENTITY = "Ledger"
FIRST_RETRY_MS = 2000


@dataclass
class Program:
    """A program and what its driver has to do for it.

    `waits` names the events that its steps wait for, `races` those that a timer may be faster than. Each has a name of
    its own: the SDK keeps only one early event of a name. `fails` names the activity that fails until the instance is
    rewound.
    """

    steps: list[Step]
    waits: list[str] = field(default_factory=list)
    races: list[str] = field(default_factory=list)
    fails: str | None = None
    calls: list[tuple[str, str]] = field(default_factory=list)
    signals: list[tuple[str, str]] = field(default_factory=list)
    statuses: list[str] = field(default_factory=list)
    children: list[str] = field(default_factory=list)
    longest_timer: float = 0.0

    @property
    def has_generations(self) -> bool:
        return any(step[0] == "again" for step in self.steps)


class Writer:
    """Writes programs. `kinds` are the kinds of steps that this run has."""

    def __init__(self, random: Random, kinds: list[str], entities: list[str], longest_timer: float) -> None:
        self._random = random
        self._kinds = kinds
        self._entities = entities
        self._longest_timer = longest_timer

    def write(self, name: str) -> Program:
        """A program of 1 to 6 steps; `name` makes its texts unique."""
        program = Program([])
        program.steps = self._steps(program, name, self._random.randint(1, 6), depth=0)
        # A rewind rewrites all failures, of retries that went on as well, and their timers fit nothing any more.
        if "flaky" not in self._kinds and self._random.random() < 0.1:
            program.fails = f"{name}.brittle"
            program.steps.insert(self._random.randint(0, len(program.steps)), ["brittle", program.fails])
        return program

    def _steps(self, program: Program, name: str, count: int, depth: int) -> list[Step]:
        return [self._step(program, f"{name}.{number}", depth) for number in range(count)]

    def _step(self, program: Program, name: str, depth: int) -> Step:
        random = self._random
        allowed = [kind for kind in self._kinds if depth == 0 or kind not in ("wait", "race")]
        if depth == 2:
            allowed = [kind for kind in allowed if not kind.startswith("child")]
        kind = random.choice(allowed or ["act"])
        match kind:
            case "fan":
                return ["fan", [f"{name}.{number}" for number in range(random.choice((2, 3, 5, 8)))]]
            case "timer":
                return ["timer", self._seconds(program)]
            case "wait":
                program.waits.append(name)
                return ["wait", name]
            case "race":
                program.races.append(name)
                return ["race", self._seconds(program), name]
            case "child":
                id = f"{name}.child" if random.random() < 0.5 else None
                program.children += [id] if id else []
                return ["child", self._steps(program, f"{name}.c", random.randint(1, 3), depth + 1), id]
            case "children":
                return [
                    "children",
                    [self._steps(program, f"{name}.{n}", 1, depth + 1) for n in range(random.randint(2, 3))],
                ]
            case "signal" | "call":
                entity = random.choice(self._entities)
                (program.signals if kind == "signal" else program.calls).append((entity, name))
                return [kind, entity, name]
            case "status":
                if depth == 0:
                    program.statuses.append(name)
                return ["status", name]
            case "again":
                return ["again"]
            case _:
                return [kind, name]

    def _seconds(self, program: Program) -> float:
        seconds = self._random.choice((0.5, 2.0, 5.0, self._longest_timer))
        program.longest_timer = max(program.longest_timer, seconds)
        return seconds


def program(context: df.DurableOrchestrationContext) -> Generator[Any, Any, Any]:
    """The orchestrator that runs programs. Its input is `{steps, log}`, its output the log."""
    given: Any = context.get_input()
    log: list[Any] = list(given["log"])
    for number, step in enumerate(given["steps"]):
        if step[0] == "again":
            context.continue_as_new({"steps": given["steps"][number + 1 :], "log": [*log, "again"]})
            return None
        log.append((yield from _STEPS[step[0]](context, *step[1:])))
    return log


def _act(context: Any, name: str) -> Generator[Any, Any, Any]:
    return (yield context.call_activity("work", name))


def _fan(context: Any, names: list[str]) -> Generator[Any, Any, Any]:
    return (yield context.task_all([context.call_activity("work", name) for name in names]))


def _flaky(context: Any, name: str) -> Generator[Any, Any, Any]:
    return (yield context.call_activity_with_retry("flaky", df.RetryOptions(FIRST_RETRY_MS, 20), name))


def _brittle(context: Any, name: str) -> Generator[Any, Any, Any]:
    return (yield context.call_activity("brittle", name))


def _timer(context: Any, seconds: float) -> Generator[Any, Any, Any]:
    due = context.current_utc_datetime + timedelta(seconds=seconds)
    yield context.create_timer(due)
    early = due - context.current_utc_datetime
    return f"{early} early" if early > EARLY else "in time"


def _wait(context: Any, name: str) -> Generator[Any, Any, Any]:
    return ["event", (yield context.wait_for_external_event(name))]


def _race(context: Any, seconds: float, name: str) -> Generator[Any, Any, Any]:
    due = context.current_utc_datetime + timedelta(seconds=seconds)
    timer = context.create_timer(due)
    event = context.wait_for_external_event(name)
    winner = yield context.task_any([event, timer])
    if winner is event:
        timer.cancel()
        return ["event", event.result, (yield context.call_activity("approve", name))]
    if due - context.current_utc_datetime > EARLY:
        return "early"
    return ["time-out", (yield context.call_activity("decline", name))]


def _child(context: Any, steps: list[Step], id: str | None) -> Generator[Any, Any, Any]:
    return (yield context.call_sub_orchestrator("program", {"steps": steps, "log": []}, id))


def _children(context: Any, programs: list[list[Step]]) -> Generator[Any, Any, Any]:
    tasks = [context.call_sub_orchestrator("program", {"steps": steps, "log": []}) for steps in programs]
    return (yield context.task_all(tasks))


def _signal(context: Any, entity: str, value: str) -> Generator[Any, Any, Any]:
    context.signal_entity(df.EntityId(ENTITY, entity), "add", value)
    yield from ()
    return "signalled"


def _call(context: Any, entity: str, value: str) -> Generator[Any, Any, Any]:
    return (yield context.call_entity(df.EntityId(ENTITY, entity), "add", value))


def _status(context: Any, text: str) -> Generator[Any, Any, Any]:
    context.set_custom_status(text)
    yield from ()
    return "told"


_STEPS: dict[str, Any] = {
    "act": _act,
    "fan": _fan,
    "flaky": _flaky,
    "brittle": _brittle,
    "timer": _timer,
    "wait": _wait,
    "race": _race,
    "child": _child,
    "children": _children,
    "signal": _signal,
    "call": _call,
    "status": _status,
}
KINDS = (*(kind for kind in _STEPS if kind != "brittle"), "again")


def ledger(context: Any) -> None:
    """An entity that keeps all values it was ever given, in order."""
    values: list[str] = context.get_state(list)
    if context.operation_name == "add":
        values.append(context.get_input())
    context.set_state(values)
    context.set_result(f"{context.get_input()}:{len(values)}")


def mistakes(steps: list[Step], log: Any) -> list[str]:
    """What is wrong in the output of a program; nothing when it is as the steps say."""
    if not isinstance(log, list) or len(log) != len(steps):
        return [f"the log {log} does not belong to {steps}"]
    found: list[str] = []
    for step, entry in zip(steps, log, strict=True):
        problem = _mistake(step, entry)
        if isinstance(problem, list):
            found += problem
        elif problem:
            found.append(f"step {step} gave {entry}")
    return found


def _mistake(step: Step, entry: Any) -> bool | list[str]:
    kind, *rest = step
    match kind:
        case "act" | "flaky" | "brittle":
            return entry != _done("work" if kind == "act" else kind, rest[0])
        case "fan":
            return entry != [_done("work", name) for name in rest[0]]
        case "timer":
            return entry != "in time"
        case "wait":
            return not (
                isinstance(entry, list) and len(entry) == 2 and entry[0] == "event" and _belongs(entry[1], step)
            )
        case "race":
            event = isinstance(entry, list) and entry[0] == "event" and entry[2] == _done("approve", rest[1])
            if event and not _belongs(entry[1], step):
                return True
            return not (event or entry == ["time-out", _done("decline", rest[1])])
        case "child":
            return mistakes(rest[0], entry)
        case "children":
            if not isinstance(entry, list) or len(entry) != len(rest[0]):
                return True
            return [one for steps, log in zip(rest[0], entry, strict=True) for one in mistakes(steps, log)]
        case "signal":
            return entry != "signalled"
        case "call":
            return not (isinstance(entry, str) and entry.rpartition(":")[0] == rest[1])
        case "status":
            return entry != "told"
        case _:
            return entry != "again"


def values_of(name: str) -> Iterator[str]:
    """Values for an event, each of them new."""
    return (f"{name}#{number}" for number in count(1))


def events_in(steps: list[Step], log: Any) -> list[str]:
    """The events that the steps took, in order."""
    found: list[str] = []
    for step, entry in zip(steps, log, strict=False):
        if step[0] in ("wait", "race") and isinstance(entry, list) and entry[0] == "event":
            found.append(entry[1])
    return found


def _belongs(event: Any, step: Step) -> bool:
    return isinstance(event, str) and event.partition("#")[0] == step[-1]


def _done(activity: str, name: str) -> str:
    return f"{activity} {name} done"

"""Requests, executions and a small counter entity for tests of the entity scheduler."""

import itertools
import json
from collections.abc import Callable, Sequence

from durable_host import timestamp
from durable_host.durable.engine.entity import (
    EntityExecution,
    EntityOptions,
    EntityOutcome,
    EntityTurn,
    finish_batch,
    start_batch,
)
from durable_host.durable.engine.entity_messages import request_json
from durable_host.durable.model.events import EventRaised
from durable_host.durable.user_code import EntityAnswer, EntityBatch, EntityResult

NOW = timestamp.parse("2024-05-01T12:30:46.55Z")
CALLER = "abc123"
EXECUTION = "0123456789abcdef0123456789abcdef"
OPTIONS = EntityOptions()


def ids() -> Callable[[], str]:
    numbers = itertools.count(1)
    return lambda: f"{next(numbers):032x}"


def guid(number: int) -> str:
    return f"00000000-0000-0000-0000-{number:012d}"


def request(operation: str | None, input: str | None = None, *, number: int = 1, **more) -> EventRaised:
    more.setdefault("parent", CALLER)
    if more["parent"] == CALLER:
        more.setdefault("parent_execution", EXECUTION)
    return EventRaised(name="op", input=request_json(operation=operation, request_id=guid(number), input=input, **more))


def signal(operation: str, input: str | None = None, *, number: int = 1) -> EventRaised:
    """From a client."""
    return request(operation, input, number=number, parent=None, is_signal=True, with_type=False)


def release(parent: str = CALLER) -> EventRaised:
    return EventRaised(name="release", input=json.dumps({"parent": parent, "id": "x"}))


def counter(batch: EntityBatch) -> EntityAnswer:
    """Adds; `get` answers the value, `del` deletes, `boom` fails."""
    value, exists = (json.loads(batch.state) if batch.state else 0), batch.exists
    results: list[EntityResult] = []
    for operation in batch.operations:
        if operation.name == "boom":
            results.append(EntityResult(True, '"boom"'))
            continue
        if operation.name == "add":
            value, exists = value + json.loads(operation.input or "0"), True
        elif operation.name == "del":
            value, exists = 0, False
        results.append(EntityResult(False, json.dumps(value)))
    return EntityAnswer(exists=exists, state=json.dumps(value) if exists else "null", results=results)


def fresh(instance_id: str = "@counter@a") -> EntityExecution:
    return EntityExecution.from_history(instance_id, [])


class Entity:
    """Runs batches on an entity as the runtime does: reloads from the history of each outcome."""

    def __init__(self, instance_id: str = "@counter@a", options: EntityOptions = OPTIONS) -> None:
        self.instance_id = instance_id
        self.options = options
        self.history = []
        self.new_id = ids()
        self.batches: list[EntityBatch] = []

    def start(self, messages: Sequence[EventRaised], now: int = NOW) -> EntityTurn:
        execution = EntityExecution.from_history(self.instance_id, self.history)
        return start_batch(execution, messages, now=now, options=self.options)

    def run(self, *messages: EventRaised, now: int = NOW) -> list[EntityOutcome]:
        """One work item: all batches that can run at once."""
        outcomes: list[EntityOutcome] = []
        execution = EntityExecution.from_history(self.instance_id, self.history)
        pending: Sequence[EventRaised] = messages
        while True:
            turn = start_batch(execution, pending, now=now, options=self.options)
            if turn.batch:
                self.batches.append(turn.batch)
            answer = counter(turn.batch) if turn.batch else None
            outcomes.append(finish_batch(turn, answer, now=now, new_id=self.new_id))
            self.history = outcomes[-1].new_events
            if not outcomes[-1].more:
                return outcomes
            execution, pending = outcomes[-1].execution, []

    @property
    def scheduler(self) -> dict:
        return json.loads(self.history[1].input)

    @property
    def operations(self) -> list[str]:
        return [operation.name for batch in self.batches for operation in batch.operations]


def sent(outcomes: Sequence[EntityOutcome]) -> list[tuple[str, str, dict | None]]:
    """Target, name and input of everything that was sent."""
    return [
        (message.target.instance_id, message.event.name, json.loads(message.event.input or "null"))
        for outcome in outcomes
        for message in outcome.outbound
    ]

"""When the dashboard asks the code of the app about a history."""

import asyncio
from typing import Any

import msgspec
import pytest
from recorded_histories import recorded

from durable_host.config.durable import DurableOptions
from durable_host.dashboard import code_reader
from durable_host.dashboard.code_reader import CodeReader
from durable_host.dashboard.views.code_trace import CodeTrace
from durable_host.durable.user_code import OrchestratorAnswer, OrchestratorTurn, WorkItemAborted

OPTIONS = DurableOptions(
    max_concurrent_activity_functions=1, max_concurrent_orchestrator_functions=1, max_concurrent_entity_functions=1
)
WAITS = recorded("v1", "waits")


class Code:
    """Code that stands at `place`. With `error` it raises; with `hangs` it never answers."""

    def __init__(self, place: str = "a.py:1 in f", error: Exception | None = None, *, hangs: bool = False) -> None:
        self.place, self.error, self.hangs = place, error, hangs
        self.turns: list[OrchestratorTurn] = []

    def reading(self) -> "Code":
        return self

    def has_orchestrator(self, name: str) -> bool:
        return name == "order"

    async def run_orchestrator(self, turn: OrchestratorTurn) -> OrchestratorAnswer:
        self.turns.append(turn)
        if self.hangs:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error
        return OrchestratorAnswer(steps=(), position=self.place)


class Unreadable(Code):
    def reading(self) -> None:  # type: ignore[override]
        return None


class Source(msgspec.Struct):
    code: Any
    options: DurableOptions = OPTIONS


async def ask(reader: CodeReader, code: object, instance_id: str = "i", events: Any = WAITS) -> CodeTrace | None:
    source: Any = Source(code)
    return await reader.trace(source, instance_id, events)


async def test_the_code_runs_over_the_whole_history_outside_of_any_session() -> None:
    code = Code()
    trace = await ask(CodeReader(), code)
    assert trace is not None
    assert trace.position == "a.py:1 in f"
    (turn,) = code.turns
    assert (len(turn.history), turn.new_from) == (len(WAITS), len(WAITS))


async def test_the_same_history_is_replayed_once() -> None:
    code, reader = Code(), CodeReader()
    await asyncio.gather(*(ask(reader, code) for _ in range(5)))
    assert len(code.turns) == 1
    await ask(reader, code, events=WAITS[:-1])
    await ask(reader, code, "other")
    assert len(code.turns) == 3


async def test_changed_code_is_asked_again() -> None:
    reader, other = CodeReader(), Code("b.py:2 in g")
    await ask(reader, Code())
    trace = await ask(reader, other)
    assert trace is not None
    assert trace.position == "b.py:2 in g"


async def test_only_the_last_results_are_kept() -> None:
    code, reader = Code(), CodeReader()
    for number in range(100):
        await ask(reader, code, str(number))
    assert len(reader._traces) == 64


@pytest.mark.parametrize("code", [None, Unreadable()], ids=["no app", "another language"])
async def test_without_code_nothing_is_known(code: object) -> None:
    assert await ask(CodeReader(), code) is None


async def test_an_orchestrator_that_the_app_does_not_have_is_not_asked() -> None:
    code = Code()
    code.has_orchestrator = lambda name: False  # type: ignore[method-assign]
    assert await ask(CodeReader(), code) is None
    assert code.turns == []


async def test_an_instance_that_has_not_begun_is_not_asked() -> None:
    assert await ask(CodeReader(), Code(), events=[]) is None


async def test_code_that_ends_its_worker_is_not_asked_again() -> None:
    code, reader = Code(error=WorkItemAborted("the worker died")), CodeReader()
    assert await ask(reader, code) is None
    assert await ask(reader, code, "other") is None
    assert len(code.turns) == 1


async def test_code_that_hangs_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code_reader, "PATIENCE", 0.01)
    code, reader = Code(hangs=True), CodeReader()
    assert await ask(reader, code) is None
    assert await ask(reader, code, "other") is None
    assert len(code.turns) == 1


async def test_a_replay_that_cannot_be_read_hides_nothing_else() -> None:
    assert await ask(CodeReader(), Code(error=KeyError("x"))) is None

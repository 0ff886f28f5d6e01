"""Messages between a host and a real .NET worker, recorded once, and an engine that plays orchestrations with them."""

import base64
import itertools
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf.json_format import MessageToDict, ParseDict

from durable_host import timestamp
from durable_host.durable.engine.episode import EpisodeOutcome, finish_episode, start_episode
from durable_host.durable.engine.options import EngineOptions
from durable_host.durable.engine.state import OrchestrationState
from durable_host.durable.model.events import ExecutionStarted, HistoryEvent, OrchestrationInstance
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.proto import pb
from durable_host.durable.sdk.dotnet import DotnetUserCode
from durable_host.durable.sdk.dotnet_turns import DotnetSettings
from durable_host.durable.user_code import OrchestratorTurn
from durable_host.invocation.errors import FunctionFailed

INSTANCE, EXECUTION = "inst-1", "e" * 32
START = timestamp.parse("2026-01-02T03:04:05.123456Z")
SECOND = timestamp.TICKS_PER_SECOND
_APP = Path(__file__).parent / "recorded_durable.json"
ORCHESTRATORS = ("BudgetApproval", "Everything", "Chain", "Child", "VoidOrch")
ACTIVITIES = (
    "RequestApproval",
    "ProcessBudget",
    "RejectBudget",
    "FailActivity",
    "NullActivity",
    "IntActivity",
    "Kinds",
)


@cache
def recorded() -> dict[str, dict[str, Any]]:
    """Name → `request`, `response` or the failure of the invocation, as protobuf JSON."""
    return json.loads(_APP.read_text("utf-8"))


def request(name: str) -> pb.OrchestratorRequest:
    return ParseDict(recorded()[name]["request"], pb.OrchestratorRequest())


def response(name: str) -> pb.OrchestratorResponse:
    return ParseDict(recorded()[name]["response"], pb.OrchestratorResponse())


def encoded(message: Any) -> str:
    return base64.b64encode(message.SerializeToString()).decode()


def shape(events: Sequence[pb.HistoryEvent]) -> list[dict[str, Any]]:
    """The events without times, empty texts, and what differs from run to run."""
    return [_without(MessageToDict(event), {"timestamp", "fireAt", "requestTime"}) for event in events]


def _without(value: Any, dropped: set[str]) -> Any:
    if not isinstance(value, dict):
        return value
    return {name: _without(one, dropped) for name, one in value.items() if name not in dropped and one != ""}


class Played:
    """A worker that answers turns in the order of `script`: names of recordings, messages, or errors."""

    def __init__(self, *script: str | pb.OrchestratorResponse | Exception) -> None:
        self.script = list(script)
        self.requests: list[pb.OrchestratorRequest] = []
        self.worker: object | None = "worker 1"

    def session_worker(self, key: str) -> object | None:
        return self.worker

    async def run_turn(self, function: str, request: str, *, key: str, turn: OrchestratorTurn) -> str:
        self.requests.append(pb.OrchestratorRequest.FromString(base64.b64decode(request)))
        answer = self.script.pop(0)
        if isinstance(answer, str):
            answer = response(answer)
        if isinstance(answer, Exception):
            raise answer
        return encoded(answer)

    def properties(self) -> list[dict[str, Any]]:
        return [{name: MessageToDict(value) for name, value in one.properties.items()} for one in self.requests]


def code_of(calls: Any, settings: DotnetSettings = DotnetSettings(session_seconds=0)) -> DotnetUserCode:
    return DotnetUserCode(
        calls,
        settings=settings,
        orchestrators={name: name for name in ORCHESTRATORS},
        activities={name: name for name in ACTIVITIES},
        entities={"Counter": "Counter"},
    )


class Orchestration:
    """One orchestration: the real codec and the real engine, and a played worker."""

    def __init__(
        self,
        name: str,
        input: str | None,
        *script: str | pb.OrchestratorResponse | Exception,
        settings: DotnetSettings = DotnetSettings(session_seconds=0),
        options: EngineOptions | None = None,
    ) -> None:
        self.worker = Played(*script)
        self.code = code_of(self.worker, settings)
        self.options = options or EngineOptions()
        self.now = START
        self.sent: list[TaskMessage] = []
        self.diagnostics: list[Any] = []
        self._ids = itertools.count(1)
        self.instance = OrchestrationInstance(INSTANCE, EXECUTION)
        self.start_event = ExecutionStarted(
            timestamp=START, orchestration_instance=self.instance, name=name, version="", input=input
        )
        self.state = OrchestrationState(INSTANCE, is_numbered=True)

    async def begin(self, *events: HistoryEvent) -> EpisodeOutcome:
        return await self.deliver(self.start_event, *events)

    async def deliver(self, *events: HistoryEvent) -> EpisodeOutcome:
        """One episode with these messages."""
        messages = [TaskMessage(one, OrchestrationInstance(INSTANCE)) for one in events]
        turn = start_episode(self.state, messages, now=self.now, options=self.options).turn
        while True:
            answer = await self.code.run_orchestrator(turn) if turn is not None else None
            outcome = finish_episode(
                self.state,
                answer,
                now=self.now,
                new_id=lambda: f"{next(self._ids):032x}",
                code=self.code,
                options=self.options,
            )
            turn = outcome.next_turn
            if turn is None:
                self.sent.extend(outcome.outbound)
                self.diagnostics.extend(outcome.diagnostics)
                self.now += SECOND
                return outcome

    def reload(self) -> None:
        """What a host does after a conflict or when it takes the instance over."""
        self.state = OrchestrationState.from_history(INSTANCE, list(self.state.history), is_numbered=True)

    @property
    def last(self) -> pb.OrchestratorRequest:
        return self.worker.requests[-1]

    def rows(self) -> list[tuple[str, int]]:
        """The history as (event, number), without what surrounds the episodes."""
        around = ("OrchestratorStarted", "OrchestratorCompleted")
        return [(one.event_name, one.event_id) for one in self.state.history if one.event_name not in around]


def activity_failure() -> FunctionFailed:
    exception = recorded()["activity-failure"]["response"]["invocation_response"]["result"]["exception"]
    return FunctionFailed(exception["type"], exception["message"], exception["stack_trace"])


def changed(message: pb.OrchestratorResponse, **fields: Any) -> pb.OrchestratorResponse:
    copy = pb.OrchestratorResponse()
    copy.CopyFrom(message)
    for name, value in fields.items():
        setattr(copy, name, value)
    return copy

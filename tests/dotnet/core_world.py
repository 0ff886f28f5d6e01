"""A runtime with .NET code in this process: the codec, the engine and a hub are real, `scripted_core` is the worker."""

import base64
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from scripted_core import Code, turn

from durable_host.durable.proto import pb
from durable_host.durable.sdk.dotnet import DotnetUserCode
from durable_host.durable.sdk.dotnet_turns import DotnetSettings
from durable_host.durable.user_code import OrchestratorTurn


class CoreApp:
    """Plain orchestrators (not decorated) and activities, by name. `requests` are the turns as sent."""

    def __init__(self, orchestrators: dict[str, Code], activities: dict[str, Callable[[Any], Any]]) -> None:
        self.orchestrators = orchestrators
        self.activities = activities
        self.requests: list[pb.OrchestratorRequest] = []
        self.settings = DotnetSettings()

    def code(self) -> DotnetUserCode:
        calls: Any = self
        return DotnetUserCode(
            calls,
            settings=self.settings,
            orchestrators={name: name for name in self.orchestrators},
            activities={name: name for name in self.activities},
            entities={},
        )

    @contextlib.asynccontextmanager
    async def alone(self) -> AsyncIterator["CoreApp"]:
        yield self

    def session_worker(self, key: str) -> object:
        return self

    async def run_turn(self, function: str, request: str, *, key: str, turn: OrchestratorTurn) -> str:
        return self._turn(function, request)

    async def run_activity(
        self, function: str, trigger: str, *, instance_id: str, task_id: int, trace: Any = None
    ) -> str | None:
        return json.dumps(self.activities[function](json.loads(trigger)))

    def _turn(self, function: str, text: str) -> str:
        request = pb.OrchestratorRequest.FromString(base64.b64decode(text))
        self.requests.append(request)
        return base64.b64encode(turn(request, self.orchestrators[function]).SerializeToString()).decode()

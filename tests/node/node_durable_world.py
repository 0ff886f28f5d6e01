"""The small world of the engine tests with Node.js code: a real `durable-functions` in one Node.js process."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from engine_world import World

import durable_host.worker_node
from durable_host.durable.engine.options import EngineOptions
from durable_host.durable.model.events import ExecutionStarted, OrchestrationInstance
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.sdk.node import NodeUserCode, node_dialect
from durable_host.durable.sdk.node_activities import result_json
from durable_host.host.durable_calls import durable_names
from durable_host.invocation.datum import Datum
from durable_host.invocation.errors import FunctionFailed
from durable_host.invocation.index import read_index
from durable_host.invocation.node_worker import NODE_WORKER

HARNESS = Path(__file__).with_name("orchestration_harness.js")
WORKER = Path(durable_host.worker_node.__file__).parent


class NodeApp:
    """An app in one Node.js process, asked one thing at a time."""

    def __init__(self, root: Path, version: str) -> None:
        self.version = version
        self._process = subprocess.Popen(
            ["node", str(HARNESS), str(WORKER), str(root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.indexed = self.ask(op="load")
        assert self.indexed["failure"] is None, self.indexed["failure"]

    def ask(self, **message: Any) -> Any:
        """The answer. Raises FunctionFailed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()
        reply = json.loads(self._process.stdout.readline())
        if "failed" in reply:
            raise FunctionFailed(reply["failed"]["type"], reply["failed"]["message"], reply["failed"]["stack"])
        return reply.get("answer")

    def names(self, kind: str) -> dict[str, str]:
        return getattr(durable_names(read_index(self.indexed, NODE_WORKER).functions), kind)

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)


class NodeCalls:
    """The worker's part. With `mode` `cold` no session outlives its turn."""

    def __init__(self, app: NodeApp) -> None:
        self.app = app
        self.requests: list[dict[str, Any]] = []

    async def orchestrate(self, function: str, payload: dict[str, Any], *, key: str, instance_id: str | None) -> Any:
        self.requests.append(payload)
        return self.app.ask(op="orchestrate", function=function, request=payload)

    def forget_session(self, key: str) -> None:
        self.app.ask(op="forget", key=key)

    async def run_activity(self, function: str, trigger: str, **_: Any) -> str | None:
        value = self.app.ask(op="call", function=function, trigger=trigger)
        kind = next(iter(value), None)
        return None if kind is None else result_json(Datum(kind, value[kind]))

    async def run_entity(self, function: str, trigger: str, **_: Any) -> str | None:
        return self.app.ask(op="call", function=function, trigger=trigger).get("json")


class NodeWorld(World):
    """See `World`; `mode` is `live` or `cold`."""

    def __init__(self, app: NodeApp, *, mode: str = "live", options: EngineOptions | None = None) -> None:
        super().__init__([], {}, mode=mode, options=options)
        self.calls = NodeCalls(app)  # pyright: ignore[reportAttributeAccessIssue]
        self.code = NodeUserCode(
            self.calls,  # pyright: ignore[reportArgumentType]
            orchestrators=app.names("orchestrators"),
            activities=app.names("activities"),
            entities=app.names("entities"),
            dialect=node_dialect(app.version),
        )

    def start(self, name: str, input: Any = None, instance_id: str = "inst1", **fields: Any) -> TaskMessage:
        """The start message; the client encodes `input` once."""
        instance = OrchestrationInstance(instance_id, self.new_id())
        event = ExecutionStarted(
            timestamp=self.now,
            orchestration_instance=instance,
            name=name,
            version=fields.pop("version", ""),
            input=None if input is None else json.dumps(input),
            **fields,
        )
        return TaskMessage(event=event, target=instance)

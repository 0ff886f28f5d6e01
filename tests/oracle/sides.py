"""The two hosts of a hub behind the same interface: `func start` on the app in this folder, and the official worker."""

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from durable_world import MANAGEMENT, raise_event, start_instance
from func_command import run_func
from host_process import HostProcess
from official_hub import OfficialHub


class Side(Protocol):
    """A worker with its client, which encodes inputs of signals as the client of the SDK does.

    `verb` of `control` is one of terminate, suspend, resume, rewind, purge. `state` gives status, output and custom
    status, the last two as values.
    """

    name: str

    def serve(self) -> None: ...
    def stop(self) -> None: ...
    def start(self, function: str, instance: str, input: Any) -> None: ...
    def raise_event(self, instance: str, event: str, data: Any) -> None: ...
    def control(self, verb: str, instance: str, reason: str) -> None: ...
    def signal(self, key: str, operation: str, input: Any) -> None: ...
    def state(self, instance: str) -> tuple[str, Any, Any]: ...
    def parent(self, instance: str) -> str | None: ...
    def entity(self, key: str) -> Any: ...
    def output(self) -> str: ...


class Ours:
    """`func start` on the app, and the HTTP management API."""

    name = "ours"

    def __init__(self, host: HostProcess) -> None:
        self.host = host

    def serve(self) -> None:
        self.host.start()

    def stop(self) -> None:
        code = self.host.stop()
        assert code == 0, f"exit code {code}:\n{self.host.output}"

    def kill(self) -> None:
        self.host.kill()

    def start(self, function: str, instance: str, input: Any) -> None:
        start_instance(self.host, function, input, instance)

    def raise_event(self, instance: str, event: str, data: Any) -> None:
        raise_event(self.host, instance, event, data)

    def control(self, verb: str, instance: str, reason: str) -> None:
        path = f"{MANAGEMENT}/instances/{instance}"
        if verb == "purge":
            answer = self.host.request("DELETE", path)
        else:
            answer = self.host.post(f"{path}/{verb}", params={"reason": reason})
        assert answer.status_code in (200, 202), answer.text

    def signal(self, key: str, operation: str, input: Any) -> None:
        path = f"{MANAGEMENT}/entities/counter/{key}"
        answer = self.host.post(path, params={"op": operation}, json=json.dumps(input))
        assert answer.status_code == 202, answer.text

    def state(self, instance: str) -> tuple[str, Any, Any]:
        status = self.host.status(instance)
        return status["runtimeStatus"], status["output"], status["customStatus"]

    def parent(self, instance: str) -> str | None:
        return self.host.status(instance).get("parentInstanceId")

    def entity(self, key: str) -> Any:
        answer = self.host.get(f"{MANAGEMENT}/entities/counter/{key}")
        return answer.json() if answer.status_code == 200 else None

    def output(self) -> str:
        return self.host.output

    def command(self, *arguments: str) -> None:
        """`func durable` on the hub; no host has to run."""
        done = run_func("durable", *arguments, folder=self.host.root, settings=self.host.settings)
        assert done.returncode == 0, done.stdout + done.stderr


class Theirs:
    """The official worker, and a process of its client for the whole run."""

    name = "theirs"

    def __init__(self, launch: Callable[[], OfficialHub]) -> None:
        self._launch = launch
        self.client = launch()
        self._worker: OfficialHub | None = None
        self.lines: list[str] = []

    def serve(self) -> None:
        self._worker = self._launch()
        self._worker.do("serve")

    def stop(self) -> None:
        assert self._worker is not None
        self._worker.do("stop")
        self.close_worker()

    def close_worker(self) -> None:
        if self._worker is not None:
            self._worker.close()
            self.lines += self._worker.lines
            self._worker = None

    def close(self) -> None:
        self.close_worker()
        self.client.close()

    def start(self, function: str, instance: str, input: Any) -> None:
        self.client.do("start", name=function, instance=instance, input=input)

    def start_at(self, function: str, instance: str, input: Any, due: datetime) -> None:
        self.client.do("start", name=function, instance=instance, input=input, at=due.isoformat())

    def raise_event(self, instance: str, event: str, data: Any) -> None:
        self.client.do("raise", instance=instance, event=event, data=data)

    def control(self, verb: str, instance: str, reason: str) -> None:
        self.client.do(verb, instance=instance, reason=reason)

    def signal(self, key: str, operation: str, input: Any) -> None:
        self.client.do("signal", entity="counter", key=key, op=operation, input=json.dumps(input))

    def signal_at(self, key: str, operation: str, input: Any, due: datetime) -> None:
        self.client.do("signal", entity="counter", key=key, op=operation, input=json.dumps(input), at=due.isoformat())

    def state(self, instance: str) -> tuple[str, Any, Any]:
        state = self.client.do("state", instance=instance)
        status = json.loads(state["customStatus"] or "null")
        failed = state["status"] != "Completed"
        return state["status"], state["output"] if failed else json.loads(state["output"] or "null"), status

    def parent(self, instance: str) -> str | None:
        return self.client.do("state", instance=instance)["parent"]

    def entity(self, key: str) -> Any:
        text = self.client.do("entity", entity="counter", key=key)
        return None if text is None else json.loads(text)

    def output(self) -> str:
        return "\n".join(self.lines + (self._worker.lines if self._worker else []) + self.client.lines)


def launcher(folder: Path, connection: str, hub: str, gates: Path) -> Callable[[], OfficialHub]:
    """Starts official hubs. Messages that a worker holds when it ends are hidden for 10 seconds."""
    settings = {"controlVisibility": 10, "workVisibility": 10, "activities": 200}
    return lambda: OfficialHub(folder, connection, hub, gates, settings)

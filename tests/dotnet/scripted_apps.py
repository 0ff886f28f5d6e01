"""App folders like the output of `dotnet build`, whose program is the scripted worker: no .NET is needed."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from host_process import write_app

HERE = Path(__file__).parent
PROGRAM = f"""\
import sys

sys.path[:0] = [{str(HERE)!r}]
from scripted_worker import main

main()
"""
"""What a `.dll` of such an app contains: Python."""

HTTP_OUT = {"name": "$return", "type": "http", "direction": "Out"}


def http_function(
    name: str, *, does: Any = "echo", route: str | None = None, methods: Sequence[str] = (), level: str = "Anonymous"
) -> dict[str, Any]:
    trigger: dict[str, Any] = {"name": "req", "type": "httpTrigger", "direction": "In", "authLevel": level}
    if methods:
        trigger["methods"] = list(methods)
    if route is not None:
        trigger["route"] = route
    return {"name": name, "bindings": [trigger, HTTP_OUT], "does": does}


def queue_function(name: str, queue: str, *more: Mapping[str, Any], does: Any = "echo", **properties: Any) -> Any:
    trigger = {"name": "message", "type": "queueTrigger", "direction": "In", "queueName": queue, **properties}
    return {"name": name, "bindings": [trigger, *more], "does": does}


def timer_function(name: str, schedule: str = "0 0 0 1 1 *", *, does: Any = "echo") -> dict[str, Any]:
    trigger = {"name": "timer", "type": "timerTrigger", "direction": "In", "schedule": schedule, "runOnStartup": False}
    return {"name": name, "bindings": [trigger], "does": does}


def durable_function(name: str, kind: str, *, does: Any = "echo") -> dict[str, Any]:
    """`kind` is orchestration, activity or entity."""
    return {"name": name, "bindings": [{"name": "context", "type": f"{kind}Trigger", "direction": "In"}], "does": does}


def write_scripted_app(
    root: Path,
    functions: Sequence[Mapping[str, Any]],
    *,
    code: str = "",
    host_json: Mapping[str, Any] | None = None,
    values: Mapping[str, str] | None = None,
    **script: Any,
) -> Path:
    """Write an app. `code` is the content of code.py; `script` are more members of scripted.json."""
    worker_config = {
        "description": {
            "language": "dotnet-isolated",
            "extensions": [".dll"],
            "defaultExecutablePath": sys.executable,
            "defaultWorkerPath": "Scripted.dll",
            "workerIndexing": "true",
            "canUsePlaceholder": True,
        }
    }
    settings = {"IsEncrypted": False, "Values": {"FUNCTIONS_WORKER_RUNTIME": "dotnet-isolated", **(values or {})}}
    indexed = [
        {
            "name": function["name"],
            "scriptFile": "Scripted.dll",
            "entryPoint": f"Scripted.Functions.{function['name']}",
            "language": "dotnet-isolated",
            "properties": {"IsCodeless": False},
            "bindings": function["bindings"],
        }
        for function in functions
    ]
    files = {
        "worker.config.json": "\ufeff" + json.dumps(worker_config, indent=2),
        "host.json": json.dumps({"version": "2.0", **(host_json or {})}),
        "local.settings.json": json.dumps(settings),
        "functions.metadata": json.dumps(indexed),
        "extensions.json": json.dumps({"extensions": []}),
        "Scripted.dll": PROGRAM,
        "Scripted.runtimeconfig.json": json.dumps({"runtimeOptions": {"tfm": "net10.0"}}),
        "scripted.json": json.dumps({"functions": list(functions), **script}),
    }
    if code:
        files["code.py"] = code
    return write_app(root, files)

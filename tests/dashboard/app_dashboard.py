"""The dashboard of an app that runs in virtual time, with its real code in a worker process."""

import contextlib
import json
import logging
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from durable_host.bindings.accounts import Accounts
from durable_host.config import AppSettings
from durable_host.dashboard.dashboard_routes import ROOT, TOKEN_HEADER, Dashboard
from durable_host.dashboard.sources import AppSource, DashboardSources, HubSource
from durable_host.durable.model.events import HistoryEvent
from durable_host.durable.taskhub.azure.history_json import read_history
from durable_host.http_port import HttpPort
from durable_host.invocation.instance_log import InstanceLog
from durable_host.testing import VirtualHost

APP = """
from datetime import datetime, timedelta, timezone

import azure.durable_functions as df

app = df.DFApp()
LATER = datetime(2024, 6, 1, tzinfo=timezone.utc)


def decision(context):
    answer = yield context.wait_for_external_event("Approval")
    return answer


@app.orchestration_trigger(context_name="context")
def order(context):
    print("an order runs")
    yield context.call_activity("reserve", "a")
    yield context.create_timer(context.current_utc_datetime + timedelta(days=1))
    answer = yield from decision(context)
    if answer == "fail":
        yield context.call_activity("broken", "a")
    if answer == "raise":
        raise ValueError("a wrong answer")
    return answer


@app.orchestration_trigger(context_name="context")
def parent(context):
    return (yield context.call_sub_orchestrator("order", None, "child of " + context.instance_id))


@app.orchestration_trigger(context_name="context")
def retries(context):
    retry = df.RetryOptions(first_retry_interval_in_milliseconds=60_000, max_number_of_attempts=3)
    yield context.task_any([context.call_activity_with_retry("broken", retry, "a"), context.create_timer(LATER)])


@app.orchestration_trigger(context_name="context")
def long_wait(context):
    yield context.create_timer(context.current_utc_datetime + timedelta(days=10))


@app.activity_trigger(input_name="item")
def reserve(item: str) -> str:
    print("reserved with password=hunter2hunter2")
    return item


@app.activity_trigger(input_name="item")
def broken(item: str) -> str:
    raise RuntimeError("no luck")


@app.entity_trigger(context_name="context")
def counter(context):
    context.set_state((context.get_state(lambda: 0) or 0) + (context.get_input() or 0))
"""


class AppDashboard:
    """The API at `origin`. `host` runs the app in `folder`."""

    def __init__(self, host: VirtualHost, folder: Path, origin: str, token: str) -> None:
        self.host = host
        self.folder = folder
        self._origin = origin
        self._token = token

    def get(self, path: str, **query: str) -> Any:
        """The answer to a GET; `path` is below `/_df/api`."""
        return self.call("GET", path + (f"?{urlencode(query)}" if query else ""))[1]

    def give_history(self, history: list[dict[str, Any]]) -> None:
        """Make all instances have this history for readers."""
        events = read_history(history)

        async def given(_: str) -> list[HistoryEvent]:
            return events

        self.host._running.app.client.hub.get_history = given  # type: ignore[method-assign]

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        data = None if body is None else json.dumps(body).encode()
        headers = {TOKEN_HEADER: self._token}
        request = urllib.request.Request(f"{self._origin}{ROOT}/api{path}", method=method, data=data, headers=headers)
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)


def of(instance_id: str, *parts: str) -> str:
    """The path of an instance."""
    return "/".join(["/instances", quote(instance_id, safe=""), *parts])


def write_app(folder: Path, code: str = APP) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "function_app.py").write_text(code)
    (folder / "host.json").write_text('{"version": "2.0"}')
    return folder


@contextlib.contextmanager
def app_dashboard(folder: Path, python: Path | None = None) -> Iterator[AppDashboard]:
    """Run the app in `folder`, and serve its dashboard from the same event loop."""
    with VirtualHost(folder, python=python) as host:
        app = host._running.app
        durable = app._durable
        assert durable is not None
        log = InstanceLog(time.time() - 3600 * 24 * 365 * 10)
        root = logging.getLogger()
        root.addHandler(log)
        level, root.level = root.level, logging.INFO
        options = app._config.host.durable
        accounts = Accounts(AppSettings({}))
        source = HubSource(
            storage="sqlite",
            account=":memory:",
            is_development=True,
            client=durable.client,
            options=options,
            runtime=durable.runtime,
            live=durable.runtime.live,
            code=durable.code,
        )
        dashboard = Dashboard(
            DashboardSources(
                hub=lambda: source,
                app=AppSource(
                    folder=folder,
                    language="python",
                    config=lambda: app._config,
                    functions=lambda _: [],
                    invoker=app._invoker,
                    manual=None,  # type: ignore[arg-type]
                    notify=lambda _, __: None,
                ),
                accounts=lambda: accounts,
                is_read_only=False,
                started=time.monotonic(),
                log=log,
            )
        )
        with socket.create_server(("127.0.0.1", 0)) as free:
            number = free.getsockname()[1]
        port = HttpPort(dashboard.handle, body_limit=200_000, close_within=0.5)
        host._running.run(port.start_listening("127.0.0.1", number))
        try:
            yield AppDashboard(host, folder, f"http://127.0.0.1:{number}", dashboard.context.token)
        finally:
            host._running.run(port.close())
            host._running.run(dashboard.close())
            host._running.run(accounts.close())
            root.removeHandler(log)
            root.level = level

"""More features of the 2.x SDK under a real host: history export, payloads kept outside, traces, versions."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from durable_world import MANAGEMENT, finished, raise_event, spans_in
from host_process import HostProcess, hub_settings, write_app
from v2_environment import v2_interpreter

pytestmark = pytest.mark.timeout(300)

APP = """
import asyncio, json, os, uuid
from datetime import datetime, timedelta, timezone

import azure.durable_functions as df
import azure.functions as func
from durabletask.extensions.history_export import AsyncExportHistoryClient, ExportHistoryClient
from durabletask.extensions.history_export.models import (
    ExportDestination, ExportJobCreationOptions, ExportMode,
)
from durabletask.payload import LargePayloadStorageOptions, PayloadStore

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)
folder = os.environ["OUTSIDE"]


class Files:
    def write(self, *, instance_id, container, blob_name, payload, content_type, content_encoding, metadata=None):
        with open(os.path.join(folder, f"{container}-{instance_id}"), "wb") as file:
            file.write(payload)


writer = Files()
app.configure_history_export(writer)


class Drawer(PayloadStore):
    @property
    def options(self):
        return LargePayloadStorageOptions(threshold_bytes=1000, enable_compression=False)

    def upload(self, data, *, instance_id=None):
        name = uuid.uuid4().hex
        with open(os.path.join(folder, f"payload-{name}"), "wb") as file:
            file.write(data)
        return f"blob:v1:drawer:{name}"

    async def upload_async(self, data, *, instance_id=None):
        return self.upload(data)

    def download(self, token):
        with open(os.path.join(folder, "payload-" + token.rpartition(":")[2]), "rb") as file:
            return file.read()

    async def download_async(self, token):
        return self.download(token)

    def is_known_token(self, value):
        return value.startswith("blob:v1:drawer:")


if os.environ.get("LARGE"):
    app.configure_large_payloads(payload_store=Drawer())


@app.activity_trigger(input_name="text")
def double(text: str) -> str:
    return text + text


@app.orchestration_trigger(context_name="context")
def large(context):
    doubled = yield context.call_activity("double", context.get_input())
    event = yield context.wait_for_external_event("go")
    stored = yield context.call_entity(df.EntityId("drawer", "k"), "put", doubled)
    below = yield context.call_sub_orchestrator("echo", event)
    return [len(doubled), len(event), len(stored), len(below), "z" * 4000]


@app.orchestration_trigger(context_name="context")
def echo(context):
    return context.get_input()


@app.entity_trigger(context_name="context")
def drawer(context):
    context.set_state(context.get_input())
    context.set_result(context.get_state())


@app.activity_trigger(input_name="nothing")
def traced(nothing, context: func.Context) -> str:
    return context.trace_context.trace_parent


@app.orchestration_trigger(context_name="ctx")
def trace(ctx, _):
    parent = yield ctx.call_activity("traced", input=None)
    below = yield ctx.call_sub_orchestrator("traced_child")
    return [parent, below]


@app.orchestration_trigger(context_name="ctx")
def traced_child(ctx, _):
    parent = yield ctx.call_activity("traced", input=None)
    return parent


@app.orchestration_trigger(context_name="ctx")
def version(ctx, _):
    below = yield ctx.call_sub_orchestrator("version_of_child")
    own = yield ctx.call_sub_orchestrator("version_of_child", version="0.9")
    return [ctx.version, below, own]


@app.orchestration_trigger(context_name="ctx")
def version_of_child(ctx, _):
    return ctx.version


@app.route(route="start/{name}", methods=["POST"])
@app.durable_client_input(client_name="client")
async def starts(req: func.HttpRequest, client: df.DurableFunctionsClient):
    version = req.params.get("version")
    id = await client.schedule_new_orchestration(req.route_params["name"], input=req.get_json(), version=version)
    return json.dumps([id])


@app.route(route="event/{id}", methods=["POST"])
@app.durable_client_input(client_name="client")
async def sends(req: func.HttpRequest, client: df.DurableFunctionsClient):
    await client.raise_orchestration_event(req.route_params["id"], "go", data=req.get_json())
    state = await client.wait_for_orchestration_completion(req.route_params["id"], timeout=30)
    return json.dumps([state.get_output()])


@app.route(route="export/{job}", methods=["POST"])
@app.durable_client_input(client_name="client")
async def exports(req: func.HttpRequest, client: df.DurableFunctionsClient):
    export = AsyncExportHistoryClient(client, writer)
    options = ExportJobCreationOptions(
        ExportMode.BATCH,
        datetime.now(timezone.utc) - timedelta(hours=1),
        ExportDestination("exports"),
        completed_time_to=datetime.now(timezone.utc),
        max_instances_per_batch=2,
    )
    await export.create_job(options, job_id=req.route_params["job"])
    done = await export.wait_for_job(req.route_params["job"], timeout=40)
    return json.dumps([done.status.name, done.exported_instances])
"""


def serving(
    root: Path, connection_string: str, *, storage: str = "sqlite", version: str = "", **settings: str
) -> Iterator[HostProcess]:
    outside = root / "outside"
    outside.mkdir()
    durable: dict[str, Any] = {"storageProvider": {"type": storage}}
    if version:
        durable["defaultVersion"] = version
    files = {
        "function_app.py": APP,
        "host.json": json.dumps({"version": "2.0", "extensions": {"durableTask": durable}}),
    }
    all_settings = {**hub_settings(connection_string), "OUTSIDE": str(outside), **settings}
    host = HostProcess(write_app(root / "app", files), all_settings)
    yield host.start("--python", str(v2_interpreter()))
    host.end()


@pytest.fixture(scope="module", params=["sqlite", "AzureStorage"])
def host(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, connection_string: str
) -> Iterator[HostProcess]:
    folder = tmp_path_factory.mktemp("extras")
    yield from serving(folder, connection_string, storage=request.param, version="1.5")


@pytest.fixture(scope="module")
def keeping_outside(tmp_path_factory: pytest.TempPathFactory, connection_string: str) -> Iterator[HostProcess]:
    yield from serving(tmp_path_factory.mktemp("large"), connection_string, LARGE="1")


def called(host: HostProcess, path: str, data: Any = None, headers: dict[str, str] | None = None) -> Any:
    response = host.post(f"/api/{path}", data=json.dumps(data), headers=headers or {})
    assert response.status_code == 200, f"{response.text}\n{host.output}"
    return response.json()


def outside(host: HostProcess) -> list[Path]:
    return sorted(Path(host.settings["OUTSIDE"]).iterdir())


def test_history_of_ended_instances_is_exported(host: HostProcess) -> None:
    ids = [called(host, "start/echo", number)[0] for number in range(5)]
    for id in ids:
        finished(host, id)
    status, exported = called(host, "export/job1")
    assert status == "COMPLETED"
    assert exported >= 5
    names = {path.name for path in outside(host)}
    assert {f"exports-{id}" for id in ids} <= names


def test_large_payloads_are_kept_outside_and_come_back(keeping_outside: HostProcess) -> None:
    host = keeping_outside
    (id,) = called(host, "start/large", "x" * 3000)
    (output,) = called(host, f"event/{id}", "y" * 2000)
    assert output == [6000, 2000, 6000, 2000, "z" * 4000]
    assert [path.name.partition("-")[0] for path in outside(host)].count("payload") >= 5
    shown = host.get(f"{MANAGEMENT}/instances/{id}?showHistory=true&showHistoryOutput=true").text
    assert "xxxxxxxx" not in shown
    assert "zzzzzzzz" not in shown
    assert "blob:v1:drawer:" in shown


TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def test_trace_of_the_client_reaches_activities_of_orchestrations_and_children(host: HostProcess) -> None:
    response = host.post(f"{MANAGEMENT}/orchestrators/trace", headers={"traceparent": f"00-{TRACE}-{SPAN}-01"})
    parents = finished(host, response.json()["id"])["output"]
    assert [parent.split("-")[1] for parent in parents] == [TRACE, TRACE]


def test_spans_of_client_orchestration_and_activity_make_one_trace(tmp_path: Path, connection_string: str) -> None:
    pytest.importorskip("opentelemetry.sdk")
    starting = serving(tmp_path, connection_string, OTEL_TRACES_EXPORTER="console")
    host = next(starting)
    try:
        response = host.post("/api/start/trace", data="1", headers={"traceparent": f"00-{TRACE}-{SPAN}-01"})
        finished(host, response.json()[0])
    finally:
        host.stop()
    mine = [span for span in spans_in(host) if span["context"]["trace_id"] == f"0x{TRACE}"]
    by_id = {span["context"]["span_id"]: span["name"] for span in mine}
    above = {span["name"]: by_id.get(span["parent_id"], span["parent_id"]) for span in mine}
    assert above["starts"] == f"0x{SPAN}"
    assert above["orchestration:trace"] == "create_orchestration:trace"
    assert above["create_orchestration:trace"] == "starts"
    assert above["orchestration:traced_child"] == "orchestration:trace"
    assert {above["activity:traced"]} <= {"orchestration:trace", "orchestration:traced_child"}


def test_default_version_is_that_of_starts_and_children_without_one(host: HostProcess) -> None:
    assert finished(host, *called(host, "start/version"))["output"] == ["1.5", "1.5", "0.9"]
    assert finished(host, *called(host, "start/version?version=1.2"))["output"] == ["1.2", "1.5", "0.9"]


def test_version_newer_than_the_apps_waits_for_a_host_that_runs_it(host: HostProcess) -> None:
    (id,) = called(host, "start/version?version=2.0")
    assert id in host.wait_for("DH6204")
    assert host.status(id)["runtimeStatus"] == "Pending"
    raise_event(host, id, "any")

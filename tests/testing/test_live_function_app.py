"""`LiveFunctionApp` has the API of `FunctionApp`: each test runs on a real host with an Azurite, and in memory."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from v2_environment import v2_interpreter

from durable_host.durable.api.errors import InstanceNotFound, UnknownFunction
from durable_host.testing import FunctionApp, LiveFunctionApp, StillRunning, assert_replays
from durable_host.testing.app_under_test import AppUnderTest
from durable_host.testing.kit_patience import StillBusy
from durable_host.testing.live import live_process
from durable_host.testing.live.live_process import LiveHostFailed

pytestmark = pytest.mark.process

APP = """
import asyncio
import logging
from datetime import timedelta

import azure.durable_functions as df
import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response, StreamingResponse

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.orchestration_trigger(context_name="context")
def approval(context: df.DurableOrchestrationContext):
    yield context.call_activity("notify", context.get_input())
    context.set_custom_status("waits")
    due = context.current_utc_datetime + timedelta(days=3)
    event, timer = context.wait_for_external_event("Approval"), context.create_timer(due)
    winner = yield context.task_any([event, timer])
    if winner == event:
        timer.cancel()
        return event.result
    return f"expired {context.current_utc_datetime - due < timedelta(minutes=1)}"


@app.activity_trigger(input_name="data")
def notify(data: dict) -> str:
    logging.info("notified %s", data["who"])
    return "ok"


@app.orchestration_trigger(context_name="context")
def waits_only(context: df.DurableOrchestrationContext):
    return (yield context.wait_for_external_event("Never"))


@app.route(route="approvals", methods=["POST"])
@app.durable_client_input(client_name="client")
async def begin(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    instance_id = await client.start_new("approval", None, req.get_json())
    return client.create_check_status_response(req, instance_id)


@app.activity_trigger(input_name="data")
@app.queue_output(arg_name="message", queue_name="told", connection="AzureWebJobsStorage")
def tell(data: str, message: func.Out[str]) -> str:
    message.set(f"told {data}")
    return data


@app.orchestration_trigger(context_name="context")
def tells(context: df.DurableOrchestrationContext):
    return (yield context.call_activity("tell", "Gil"))


@app.entity_trigger(context_name="context")
def counter(context: df.DurableEntityContext):
    context.set_state(context.get_state(lambda: 0) + context.get_input())


@app.queue_trigger(arg_name="message", queue_name="decisions", connection="AzureWebJobsStorage")
@app.durable_client_input(client_name="client")
async def decide(message: func.QueueMessage, client: df.DurableOrchestrationClient):
    await client.raise_event(message.get_body().decode(), "Approval", "by queue")


@app.queue_trigger(arg_name="message", queue_name="spoiled", connection="AzureWebJobsStorage")
def fails(message: func.QueueMessage):
    raise ValueError("spoiled")


@app.blob_trigger(arg_name="blob", path="inbox/{name}.txt", connection="AzureWebJobsStorage")
@app.blob_output(arg_name="out", path="outbox/{name}.txt", connection="AzureWebJobsStorage")
def shouts(blob: func.InputStream, out: func.Out[str]):
    out.set(blob.read().decode().upper())


@app.orchestration_trigger(context_name="context")
def price(context: df.DurableOrchestrationContext):
    response = yield context.call_http("GET", "https://shop.example/price")
    return [response["statusCode"], response["content"]]


@app.route(route="secret", auth_level=func.AuthLevel.FUNCTION)
def secret(req: func.HttpRequest) -> str:
    return "42"


ticks = asyncio.Queue()


@app.route(route="ticks")
async def stream_ticks(req: Request) -> StreamingResponse:
    async def lines():
        while True:
            yield await ticks.get() + "\\n"

    return StreamingResponse(lines())


@app.route(route="tick")
async def tick(req: Request) -> str:
    ticks.put_nowait("tick")
    return "ok"


@app.route(route="cookie")
async def cookie(req: Request) -> Response:
    response = Response(req.headers.get("Cookie", "none"))
    response.set_cookie("a", "1")
    return response


@app.timer_trigger(schedule="0 0 9 * * *", arg_name="timer")
def daily(timer: func.TimerRequest):
    logging.info("daily ran")
"""

V2_APP = """
from datetime import timedelta

import azure.durable_functions as df

app = df.DFApp()


@app.orchestration_trigger(context_name="context")
def approval(context):
    yield context.call_activity("notify", context.get_input())
    timer = context.create_timer(context.current_utc_datetime + timedelta(days=3))
    event = context.wait_for_external_event("Approval")
    winner = yield context.task_any([event, timer])
    return event.get_result() if winner == event else "expired"


@app.activity_trigger(input_name="data")
def notify(data: dict) -> str:
    return "ok"
"""


HANGING_APP = """
import asyncio

import azure.functions as func

app = func.FunctionApp()


@app.queue_trigger(arg_name="message", queue_name="work", connection="AzureWebJobsStorage")
async def hangs(message: func.QueueMessage):
    await asyncio.Event().wait()
"""


@pytest.fixture(scope="module", params=[FunctionApp, LiveFunctionApp], ids=["memory", "live"])
def app(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppUnderTest]:
    root = tmp_path_factory.mktemp("app")
    (root / "function_app.py").write_text(APP)
    (root / "host.json").write_text('{"version": "2.0"}')
    values = {"AzureWebJobsStorage": "UseDevelopmentStorage=true"}
    (root / "local.settings.json").write_text(json.dumps({"IsEncrypted": False, "Values": values}))
    with request.param(root) as app:
        yield app


def test_an_approval_is_awaited_and_arrives(app: AppUnderTest) -> None:
    instance = app.start("approval", {"who": "Ada"})
    assert (instance.status, instance.custom_status, instance.input) == ("Running", "waits", {"who": "Ada"})
    assert [(wait.kind, wait.name) for wait in instance.waits][:1] == [("event", "Approval")]
    assert instance.raise_event("Approval", "yes").output == "yes"
    assert "notified Ada" in [line.text for line in app.logs if line.function == "notify"]
    instance.ledger.assert_taken("Approval")


def test_days_pass_at_once_for_timers(app: AppUnderTest) -> None:
    instance = app.start("approval", {"who": "Bob"}, instance_id="slow")
    before = app.now
    app.advance(days=2)
    assert timedelta(days=2) <= app.now - before < timedelta(days=2, minutes=1)
    assert instance.status == "Running"
    app.advance(days=1)
    assert instance.output == "expired True"


def test_wait_jumps_to_the_end_and_says_when_there_is_none(app: AppUnderTest) -> None:
    assert app.start("approval", {"who": "Cy"}).wait().output == "expired True"
    with pytest.raises(StillRunning, match="nothing is due before"):
        app.start("approval", {"who": "Di"}).wait_until(status="Completed", limit=timedelta(days=1))


def test_errors_of_the_client_are_the_same(app: AppUnderTest) -> None:
    with pytest.raises(UnknownFunction, match="approval"):
        app.start("nothing")
    with pytest.raises(InstanceNotFound):
        app.instance("nobody").terminate("no")
    with pytest.raises(LookupError, match="no function 'nothing'"):
        app.call("nothing")
    with pytest.raises(LookupError, match="Did you mean 'notify'"):
        app.activity("notfy")


def test_entities_and_other_functions_run(app: AppUnderTest) -> None:
    assert app.entity("counter", "a").signal("add", 2).signal("add", 3).state == 5
    instance = app.start("approval", {"who": "Ed"})
    app.call("decide", instance.id)
    assert "by queue" in instance.output


def test_requests_reach_the_functions_and_the_management_api(app: AppUnderTest) -> None:
    response = app.client.post("/api/approvals", json={"who": "Hal"})
    assert response.status_code == 202
    urls = response.json()
    instance = app.instance(urls["id"])
    assert [wait.name for wait in instance.waits][:1] == ["Approval"]
    app.client.post(urls["sendEventPostUri"].replace("{eventName}", "Approval"), json="by request")
    assert app.client.get(urls["statusQueryGetUri"]).json()["output"] == "by request"
    assert instance.status == "Completed"


def test_activities_are_replaced_and_recorded(app: AppUnderTest) -> None:
    notify = app.activity("notify").fails_with(ValueError("no route"), times=1)
    failed = app.start("approval", {"who": "Ida"})
    assert failed.status == "Failed"
    assert "no route" in str(failed.error)
    notify.runs(lambda data: f"hello {data['who']}")
    app.start("approval", {"who": "Jo"})
    assert [call.output for call in notify.calls[-2:]] == [None, "hello Jo"]
    notify.assert_called_with({"who": "Jo"})
    notify.real()


def test_requests_of_orchestrators_are_replaced_and_recorded(app: AppUnderTest) -> None:
    requests = app.activity("call_http").returns({"status_code": 200, "content": "7"})
    assert app.start("price").wait().output == [200, "7"]
    assert requests.inputs == [{"method": "GET", "uri": "https://shop.example/price"}]
    requests.real()


def test_a_response_is_read_while_the_function_writes_it(app: AppUnderTest) -> None:
    with app.client.stream("GET", "/api/ticks") as response:
        lines = response.iter_lines()
        assert app.client.post("/api/tick").status_code == 200
        assert next(lines) == "tick"
        app.start("waits_only")
    assert app.client.get("/api/cookie").headers["Set-Cookie"].startswith("a=1")
    assert app.client.get("/api/cookie").text == "none"


def test_outputs_are_recorded_and_not_written(app: AppUnderTest) -> None:
    told = app.output("tell", "message").discards()
    assert app.start("tells").wait().output == "Gil"
    assert told.values == ["told Gil"]


def test_the_function_of_a_double_may_use_the_app_but_not_the_time(app: AppUnderTest) -> None:
    def notify(data: Any) -> str:
        app.entity("counter", "b").signal("add", 1)
        app.container("told").upload("b.txt", "told")
        with pytest.raises(RuntimeError, match="time stands still until it returns"):
            app.advance(days=1)
        return app.start("waits_only").name

    app.activity("notify").runs(notify)
    app.start("approval", {"who": "Lu"})
    assert app.activity("notify").calls[-1].output == "waits_only"
    assert app.entity("counter", "b").state == 1
    app.activity("notify").real()


def test_an_async_function_of_a_double_cannot_use_the_app(app: AppUnderTest) -> None:
    async def tell(data: Any) -> str:
        return app.start("waits_only").id

    app.activity("tell").runs(tell)
    assert "which cannot call the app. Use a plain one." in str(app.start("tells").error)
    app.activity("tell").real()


def test_messages_reach_their_functions(app: AppUnderTest) -> None:
    instance = app.start("approval", {"who": "Max"})
    app.queue("decisions").send(instance.id)
    assert "by queue" in instance.output
    assert app.queue("decisions").messages == []


def test_messages_that_fail_too_often_are_in_the_poison_queue(app: AppUnderTest) -> None:
    app.queue("spoiled").send("milk")
    assert (app.queue("spoiled").messages, app.queue("spoiled").poison.messages) == ([], ["milk"])


def test_outputs_are_written_to_queues(app: AppUnderTest) -> None:
    app.output("tell", "message").real()
    app.start("tells")
    assert app.queue("told").messages == ["told Gil"]
    assert app.queue("told").clear().messages == []


def test_blobs_and_rows_are_there(app: AppUnderTest) -> None:
    container, table = app.container("notes"), app.table("people")
    assert container.upload("a.txt", "hello").names() == ["a.txt"]
    assert container.download("a.txt") == b"hello"
    assert app.connection_string.count("Endpoint=http://127.0.0.1:") == 3
    table.upsert({"PartitionKey": "p", "RowKey": "r", "age": 36})
    assert table.get("p", "r")["age"] == 36


async def test_results_may_be_awaited(app: AppUnderTest) -> None:
    instance = await app.start("approval", {"who": "Flo"})
    await instance.raise_event("Approval", "no")
    assert (await instance.wait()).output == "no"


def test_histories_replay(app: AppUnderTest, tmp_path: Path) -> None:
    file = app.start("approval", {"who": "Kim"}).history.save(tmp_path / "approval.json")
    assert assert_replays(file, app=app) == [file]
    file.write_text(file.read_text().replace('"notify"', '"tell"'))
    with pytest.raises(AssertionError, match=r"named 'tell'.*named 'notify'"):
        assert_replays(file, app=app)


def test_reset_begins_again_with_an_empty_hub(app: AppUnderTest) -> None:
    app.start("waits_only", instance_id="left over")
    app.activity("notify").returns("replaced")
    app.reset()
    assert app.instances() == []
    assert all(line.instance_id is None for line in app.logs)
    assert [one.id for one in (app.start("waits_only", instance_id="first"), *app.instances())] == ["first", "first"]
    app.start("approval", {"who": "Lea"})
    assert app.activity("notify").calls[-1].output == "ok"
    assert app.client.get("/").status_code == 200


def test_callers_need_keys_if_the_test_requires_them(app: AppUnderTest) -> None:
    keys = app.reset().require_keys()
    assert app.client.get("/api/secret").status_code == 401
    for key in (keys.default, keys.function("secret"), keys.master):
        assert app.client.get("/api/secret", params={"code": key}).status_code == 200
    app.reset()
    assert app.client.get("/api/secret").status_code == 200


def test_schedules_of_functions_fire_when_the_time_moves(app: AppUnderTest) -> None:
    before = sum(line.text == "daily ran" for line in app.logs)
    app.advance(days=3)
    assert sum(line.text == "daily ran" for line in app.logs) == before + 3


def test_blobs_reach_their_functions(app: AppUnderTest) -> None:
    app.container("inbox").upload("note.txt", "hello")
    assert app.container("outbox").download("note.txt") == b"HELLO"


def test_an_app_that_does_not_load_fails_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "host.json").write_text("{")
    with pytest.raises(Exception, match=r"host\.json"):
        LiveFunctionApp(tmp_path)
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    (tmp_path / "function_app.py").write_text("import nothing_like_this")
    with pytest.raises(LiveHostFailed) as failure:
        LiveFunctionApp(tmp_path)
    assert "nothing_like_this" in (failure.value.cause or "")


def test_a_failure_of_what_controls_the_host_ends_it_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    (tmp_path / "function_app.py").write_text(APP)
    broken = "from durable_host.testing.live import live_control; live_control.LiveApp = 'broken'; "
    monkeypatch.setattr(live_process, "_PRELUDE", live_process._PRELUDE + broken)
    with pytest.raises(LiveHostFailed, match="has ended") as failure:
        LiveFunctionApp(tmp_path)
    assert "'str' object is not callable" in (failure.value.cause or "")


def test_a_live_app_injects_no_faults(tmp_path: Path) -> None:
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    with pytest.raises(LiveHostFailed, match="cannot inject faults"):
        LiveFunctionApp(tmp_path, settings={"DURABLE_HOST_CHAOS": "delay=0..1s"})


def test_a_hub_in_a_file_is_a_fresh_one_too(tmp_path: Path) -> None:
    (tmp_path / "function_app.py").write_text(APP)
    provider = {"storageProvider": {"type": "sqlite"}}
    (tmp_path / "host.json").write_text(json.dumps({"version": "2.0", "extensions": {"durableTask": provider}}))
    with LiveFunctionApp(tmp_path) as app:
        instance = app.start("approval", {"who": "Nat"})
        app.advance(days=3)
        assert instance.output == "expired True"
    assert {path.name for path in tmp_path.iterdir()} - {"__pycache__"} == {"function_app.py", "host.json"}


def test_a_2x_app_is_the_same(tmp_path: Path) -> None:
    (tmp_path / "function_app.py").write_text(V2_APP)
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    with LiveFunctionApp(tmp_path, python=v2_interpreter()) as app:
        app.activity("notify").returns("ok")
        assert app.start("approval", {"who": "Oda"}).raise_event("Approval", {"by": "Ada"}).output == {"by": "Ada"}
        instance = app.start("approval", {"who": "Pia"})
        app.advance(days=3)
        assert instance.output == "expired"
        app.activity("notify").assert_called_with({"who": "Pia"})


def test_closing_says_which_functions_it_waits_for(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    (tmp_path / "function_app.py").write_text(HANGING_APP)
    with LiveFunctionApp(tmp_path, settings={"DURABLE_HOST_PATIENCE": "1"}) as app, pytest.raises(StillBusy):
        app.queue("work").send("one")
    assert (
        "The live app is being closed. The host waits up to 4 s for running functions: hangs." in capfd.readouterr().err
    )

"""The web application of a real app without a socket, and the doubles of its activities and outputs.

Apps of both SDK generations run in real worker processes; storage is not needed.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from v2_environment import v2_interpreter

from durable_host.testing import ActivityDouble, FunctionApp

APP = """
import json

import azure.durable_functions as df
import azure.functions as func

app = df.DFApp(http_auth_level=func.AuthLevel.FUNCTION)


@app.orchestration_trigger(context_name="context")
def checkout(context):
    retry = df.RetryOptions(first_retry_interval_in_milliseconds=60_000, max_number_of_attempts=3)
    order = context.get_input()
    try:
        receipt = yield context.call_activity_with_retry("charge", retry, order)
    except Exception as error:
        return f"not charged: {error}"
    approval = yield context.wait_for_external_event("Approval")
    yield context.call_activity("mail", {"to": order["customer"], "receipt": receipt})
    return [receipt, approval]


@app.activity_trigger(input_name="order", activity="charge")
def charge_card(order: dict) -> dict:
    if order["amount"] > 1000:
        raise ValueError("too much")
    return {"receipt": order["amount"]}


@app.activity_trigger(input_name="message")
@app.queue_output(arg_name="outbox", queue_name="mails", connection="AzureWebJobsStorage")
def mail(message: dict, outbox: func.Out[str]) -> None:
    outbox.set(json.dumps(message))


@app.orchestration_trigger(context_name="context")
def customer(context):
    return (yield context.call_activity("find", context.get_input()))


@app.activity_trigger(input_name="id")
@app.generic_input_binding(arg_name="row", type="cosmosDB", database_name="shop", container_name="customers")
def find(id: str, row) -> str:
    return row[0]["name"]


@app.generic_trigger(arg_name="rows", type="cosmosDBTrigger", database_name="shop", container_name="customers")
def follow(rows: str) -> None: ...


@app.route(route="orders", methods=["POST"])
@app.durable_client_input(client_name="client")
async def place_order(req: func.HttpRequest, client) -> func.HttpResponse:
    instance_id = await client.start_new("checkout", client_input=req.get_json())
    return client.create_check_status_response(req, instance_id)


@app.route(route="notes/{who}", auth_level=func.AuthLevel.ANONYMOUS)
@app.generic_output_binding(arg_name="letter", type="sendGrid", to="x@example.com")
def note(req: func.HttpRequest, letter: func.Out[str]) -> func.HttpResponse:
    letter.set(json.dumps({"to": req.route_params["who"], "text": req.get_body().decode()}))
    return func.HttpResponse("sent", status_code=201, headers={"X-Who": req.route_params["who"]})


@app.orchestration_trigger(context_name="context")
def price(context):
    response = yield context.call_http("GET", context.get_input())
    if isinstance(response, dict):
        return [response["statusCode"], response["content"]]
    return [response.status_code, response.content]


@app.route(route="prices")
def prices(req: func.HttpRequest) -> str:
    return "30"


@app.event_grid_trigger(arg_name="event")
@app.queue_output(arg_name="outbox", queue_name="mails", connection="AzureWebJobsStorage")
def uploaded(event: func.EventGridEvent, outbox: func.Out[str]) -> None:
    outbox.set(f"{event.subject} is there")


@app.route(route="broken")
def broken(req: func.HttpRequest) -> str:
    raise RuntimeError("out of order")
"""
ORDER = {"customer": "a@example.com", "amount": 30}


@pytest.fixture(scope="module", params=["1.x", "2.x"])
def loaded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FunctionApp]:
    root: Path = tmp_path_factory.mktemp("app")
    (root / "function_app.py").write_text(APP)
    (root / "host.json").write_text('{"version": "2.0"}')
    python = v2_interpreter() if request.param == "2.x" else None
    with FunctionApp(root, settings={"AzureWebJobsStorage": "UseDevelopmentStorage=true"}, python=python) as app:
        yield app


@pytest.fixture
def app(loaded: FunctionApp) -> FunctionApp:
    return loaded.reset()


def test_an_order_is_placed_followed_and_approved_over_http(app: FunctionApp) -> None:
    app.output("mail").discards()
    response = app.client.post("/api/orders", json=ORDER)
    assert response.status_code == 202
    urls = response.json()
    assert app.client.get(urls["statusQueryGetUri"]).json()["runtimeStatus"] == "Running"
    approve = urls["sendEventPostUri"].replace("{eventName}", "Approval")
    assert app.client.post(approve, json="yes").status_code == 202
    done = app.client.get(urls["statusQueryGetUri"])
    assert (done.status_code, done.json()["output"]) == (200, [{"receipt": 30}, "yes"])
    assert response.headers["Location"] == urls["statusQueryGetUri"]


def test_each_management_url_of_an_instance_works(app: FunctionApp) -> None:
    urls = app.client.post("/api/orders", json=ORDER).json()
    instance = app.instance(urls["id"])
    assert app.client.post(urls["suspendPostUri"].replace("{text}", "wait")).status_code == 202
    assert instance.status == "Suspended"
    assert app.client.post(urls["resumePostUri"].replace("{text}", "go")).status_code == 202
    assert instance.status == "Running"
    assert app.client.post(urls["terminatePostUri"].replace("{text}", "enough")).status_code == 202
    assert instance.status == "Terminated"
    assert app.client.delete(urls["purgeHistoryDeleteUri"]).json() == {"instancesDeleted": 1}
    assert app.client.get(urls["statusQueryGetUri"]).status_code == 404


def test_functions_need_no_keys_as_in_a_local_host(app: FunctionApp) -> None:
    assert app.client.post("/api/orders", json=ORDER).status_code == 202
    assert "code=" in app.client.post("/api/orders", json=ORDER).json()["statusQueryGetUri"]


def test_callers_need_keys_if_the_test_requires_them(app: FunctionApp) -> None:
    keys = app.require_keys()
    assert app.client.post("/api/orders", json=ORDER).status_code == 401
    for key in (keys.default, keys.function("place_order"), keys.master):
        response = app.client.post("/api/orders", json=ORDER, headers={"x-functions-key": key})
        assert response.status_code == 202
    status = response.json()["statusQueryGetUri"]
    assert app.client.get(status).status_code in (200, 202)
    assert app.client.get(status.partition("code=")[0]).status_code == 401
    assert app.client.get("/admin/host/status", params={"code": keys.default}).status_code == 403
    assert app.client.get("/admin/host/status", params={"code": keys.master}).status_code == 200
    app.output("note").discards()
    assert app.client.get("/api/notes/bob").status_code == 201
    app.reset()
    assert app.client.post("/api/orders", json=ORDER).status_code == 202


def test_routes_methods_and_headers_are_those_of_the_host(app: FunctionApp) -> None:
    letters = app.output("note").discards()
    response = app.client.put("/api/notes/bo b", content="hello")
    assert (response.status_code, response.text, response.headers["x-who"]) == (201, "sent", "bo b")
    letters.assert_wrote_exactly({"to": "bo b", "text": "hello"})
    assert app.client.get("/api/orders").status_code == 404
    assert app.client.get("/api/nowhere").status_code == 404


def test_a_function_that_fails_answers_500_with_its_error(app: FunctionApp) -> None:
    response = app.client.get("/api/broken")
    assert response.status_code == 500
    assert "out of order" in response.text


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("/", "Azure Function App is up and running"),
        ("/admin/host/status", '"state": "Running"'),
        ("/admin/host/config", "durableTask"),
        ("/admin/host/drain/status", '"state": "Disabled"'),
        ("/admin/functions", '"name": "place_order"'),
        ("/admin/functions/note/status", "{}"),
        ("/admin/host/keys", '"keys"'),
        ("/admin/host/processes", '"processName": "python"'),
    ],
)
def test_the_host_has_its_other_pages(app: FunctionApp, path: str, part: str) -> None:
    response = app.client.get(path).raise_for_status()
    assert part in response.text


def test_an_event_is_posted_to_the_webhook(app: FunctionApp) -> None:
    event = {
        "id": "1",
        "subject": "report",
        "eventType": "Uploaded",
        "eventTime": "2024-01-01T00:00:00Z",
        "data": {},
        "dataVersion": "1",
    }
    response = app.client.post(
        "/runtime/webhooks/eventgrid",
        params={"functionName": "uploaded"},
        headers={"aeg-event-type": "Notification"},
        json=[event],
    )
    assert response.status_code == 202
    app.output("uploaded").assert_wrote_exactly("report is there")


def test_a_function_is_started_by_hand(app: FunctionApp) -> None:
    body = {"input": json.dumps(ORDER)}
    assert app.client.post("/admin/functions/charge_card", json=body).status_code == 202
    (call,) = app.activity("charge").calls
    assert (call.output, call.instance_id) == ({"receipt": 30}, None)


def test_a_function_whose_output_fails_answers_500(app: FunctionApp) -> None:
    app.output("note").fails_with("no route")
    response = app.client.put("/api/notes/bob", content="hello")
    assert response.status_code == 500
    assert "no route" in response.text


def test_an_output_that_the_host_does_not_have_fails_as_always(app: FunctionApp) -> None:
    letters = app.output("note")
    assert app.client.put("/api/notes/bob", content="hello").status_code == 500
    assert letters.json == [{"to": "bob", "text": "hello"}]


def test_calls_of_the_real_activities_are_recorded(app: FunctionApp) -> None:
    app.output("mail").discards()
    instance = app.start("checkout", ORDER)
    instance.raise_event("Approval", "yes")
    app.activity("charge").assert_called_once_with(ORDER)
    (call,) = app.activity("charge").calls
    assert (call.output, call.error, call.instance_id, call.attempt) == ({"receipt": 30}, None, instance.id, 1)
    app.activity("mail").assert_called_once_with({"to": "a@example.com", "receipt": {"receipt": 30}})
    app.output("mail").assert_wrote({"to": "a@example.com", "receipt": {"receipt": 30}})


def test_recorded_values_are_written_unless_the_test_discards_them(app: FunctionApp) -> None:
    app.call("mail", {"to": "b@example.com"})
    app.output("mail").discards(times=1)
    app.call("mail", {"to": "c@example.com"})
    app.call("mail", {"to": "d@example.com"})
    written = [json.loads(message)["to"] for message in app.queue("mails").messages]
    assert written == ["b@example.com", "d@example.com"]
    assert [value["to"] for value in app.output("mail").json] == ["b@example.com", "c@example.com", "d@example.com"]


def test_a_replaced_activity_does_not_run_and_writes_no_outputs(app: FunctionApp) -> None:
    app.activity("charge").returns("R1")
    app.activity("mail").returns(None)
    instance = app.start("checkout", ORDER)
    instance.raise_event("Approval", {"by": "me"})
    assert instance.output[0] == "R1"
    app.activity("mail").assert_called_once_with({"to": "a@example.com", "receipt": "R1"})
    app.output("mail").assert_wrote_nothing()


def test_retries_run_in_virtual_time_until_the_double_succeeds(app: FunctionApp) -> None:
    charge = app.activity("charge").fails_with(ConnectionError("no route"), times=2).returns("R1")
    instance = app.start("checkout", ORDER)
    assert charge.call_count == 1
    app.advance(minutes=3)
    assert [call.attempt for call in charge.calls] == [1, 2, 3]
    assert [call.error for call in charge.calls] == ["ConnectionError: no route"] * 2 + [None]
    assert instance.status == "Running"


def test_the_orchestrator_gets_the_error_of_a_double_as_it_gets_a_real_one(app: FunctionApp) -> None:
    too_much = {**ORDER, "amount": 2000}
    real = app.start("checkout", too_much).wait()
    app.activity("charge").fails_with(ValueError("too much"))
    double = app.start("checkout", too_much).wait()
    errors = [one.output.replace(one.id, "ID").partition("Traceback")[0] for one in (real, double)]
    assert errors[0].startswith("not charged: ")
    assert errors[0] == errors[1]


def test_a_function_of_the_test_answers_for_the_activity(app: FunctionApp) -> None:
    app.activity("charge").runs(lambda order: order["amount"] * 2)
    app.activity("mail").returns(None)
    instance = app.start("checkout", ORDER)
    instance.raise_event("Approval", "yes")
    assert instance.output[0] == 60


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_an_orchestrator_calls_its_own_app_without_a_socket(
    app: FunctionApp, host: str, request: pytest.FixtureRequest
) -> None:
    if request.node.callspec.params["loaded"] == "2.x":
        pytest.skip("the 2.x SDK sends the requests itself, through a socket")
    assert app.start("price", f"http://{host}:7071/api/prices").wait().output == [200, "30"]


@pytest.mark.parametrize("status", ["status_code", "statusCode"])
def test_requests_of_orchestrators_are_recorded_and_replaced(app: FunctionApp, status: str) -> None:
    requests = app.activity("call_http").returns({status: 201, "content": {"price": 7}})
    assert app.start("price", "https://shop.example/7").wait().output == [201, '{"price": 7}']
    (request,) = requests.inputs
    assert (request["method"], request["uri"]) == ("GET", "https://shop.example/7")


@pytest.mark.parametrize(
    ("prepare", "text"),
    [
        (lambda requests: requests.fails_with("no route to the shop"), "no route to the shop"),
        (lambda requests: requests.returns("no response"), "is not a response"),
    ],
)
def test_requests_of_orchestrators_fail(
    app: FunctionApp, prepare: Callable[[ActivityDouble], object], text: str
) -> None:
    prepare(app.activity("call_http"))
    instance = app.start("price", "https://shop.example/7").wait()
    assert instance.status == "Failed"
    assert text in str(instance.error)


def test_an_activity_with_a_binding_that_the_host_does_not_have_needs_a_double(app: FunctionApp) -> None:
    failed = app.start("customer", "c-1").wait()
    assert "The app has 'find', but this host does not serve it: this host has no 'cosmosDB'." in str(failed.error)
    assert 'Replace it in the test with function_app.activity("find").returns(...).' in str(failed.error)
    assert str(app.activity("find").calls[0].error).startswith("FunctionNotServed: The app has 'find'")
    app.activity("find").returns("Ada")
    assert app.start("customer", "c-1").wait().output == "Ada"


def test_an_output_that_the_host_does_not_have_needs_a_double(app: FunctionApp) -> None:
    assert app.client.post("/api/notes/Ada", content="hello").status_code == 500
    double = 'Replace it in the test with function_app.output("note", "letter").discards().'
    assert any(double in entry.text for entry in app.logs)
    letters = app.output("note", "letter").discards()
    assert app.client.post("/api/notes/Ada", content="hello").status_code == 201
    letters.assert_wrote({"to": "Ada", "text": "hello"})


def test_a_function_that_the_host_does_not_serve_cannot_be_called(app: FunctionApp) -> None:
    with pytest.raises(LookupError, match="The function 'follow' cannot be run: this host has no 'cosmosDBTrigger'"):
        app.call("follow")


def test_a_reset_forgets_doubles_and_what_they_recorded(app: FunctionApp) -> None:
    app.activity("charge").returns("R1")
    app.start("checkout", ORDER)
    app.reset()
    assert app.activity("charge").calls == []
    app.start("checkout", ORDER)
    assert app.activity("charge").calls[0].output == {"receipt": 30}


async def test_requests_may_be_awaited(app: FunctionApp) -> None:
    response = await app.client.post("/api/orders", content=json.dumps(ORDER))
    assert response.status_code == 202

"""The durable templates of `func new` in one app, with both generations of the SDK, JavaScript and TypeScript."""

import json
from collections.abc import Iterator

import pytest
from approvals_world import empty_queue, interpreter_options
from host_process import HostProcess, hub_settings, until
from template_apps import NODE, QUEUE, TEMPLATES, write_template_app
from v2_environment import SDK


@pytest.fixture(scope="module", params=["1.x", "2.x", *NODE])
def generation(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def host(
    generation: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, connection_string: str
) -> Iterator[HostProcess]:
    is_node = generation in NODE
    options = () if is_node else interpreter_options(generation)
    empty_queue(connection_string, QUEUE).close()
    folder = tmp_path_factory.mktemp("templates")
    settings = {"AzureFunctionsJobHost__extensions__queues__messageEncoding": "none"}
    if is_node:
        write_template_app(folder, generation, request.getfixturevalue("npm_packages"))
        settings["FUNCTIONS_WORKER_RUNTIME"] = "node"
    else:
        write_template_app(folder, "python")
    host = HostProcess(folder, {**hub_settings(connection_string), **settings})
    yield host.start(*options)
    host.end()


def output_of(host: HostProcess, path: str, **options: object) -> object:
    response = host.post(path, **options)
    assert response.status_code == 202, response.text
    return host.wait_status(response.json()["id"], "Completed")["output"]


def test_all_functions_are_served(host: HostProcess) -> None:
    served = {one["name"] for one in host.get("/admin/functions").json()}
    assert set(TEMPLATES.values()) <= served


@pytest.mark.parametrize(
    ("path", "body", "output"),
    [
        ("/api/orchestrators/Work", json.dumps({"n": 1}), {"n": 1}),
        ("/api/orchestrators/Work", "", None),
        ("/api/Chain?city=%20paris", "", "Hello, Paris!"),
        ("/api/FanOut?count=4", "", 0 + 1 + 4 + 9),
        ("/api/Watch?job=x", "", "done"),
    ],
)
def test_orchestrations_of_the_templates_complete(host: HostProcess, path: str, body: str, output: object) -> None:
    assert output_of(host, path, data=body) == output


def test_message_decides_the_approval_of_the_template(host: HostProcess, connection_string: str) -> None:
    instance_id = host.post("/api/Approval", json={"item": "laptop"}).json()["id"]
    with empty_queue(connection_string, QUEUE) as queue:
        queue.send_message(instance_id)
        assert host.wait_status(instance_id, "Completed")["output"] == "Approved"


def test_posted_false_denies_in_the_template(host: HostProcess) -> None:
    urls = host.post("/api/Approval", json={"item": "laptop"}).json()
    assert host.post(urls["sendEventPostUri"].replace("{eventName}", "Approval"), json=False).status_code == 202
    assert host.wait_status(urls["id"], "Completed")["output"] == "Denied"


def test_aggregator_of_the_template_adds(host: HostProcess) -> None:
    assert host.get("/api/Total/a").status_code == 404
    for number in (1, 2.5):
        assert host.post("/api/Total/a", json=number).status_code == 202
    until(lambda: host.get("/api/Total/a").text == "3.5", host=host)


def test_an_addition_without_an_id_keeps_the_total_of_the_template(host: HostProcess, generation: str) -> None:
    for input in ({"id": "first", "number": 1}, 5, {"number": 5}, {"id": "last", "number": 2}):
        # 1.x reads JSON inside a JSON string.
        body = json.dumps(input) if generation == "1.x" else input
        assert host.post("/runtime/webhooks/durabletask/entities/Total/b?op=add", json=body).status_code == 202
    until(lambda: host.get("/api/Total/b").text == "3", host=host)
    host.wait_for("The input of add is not an ID and a number")


def test_counter_of_the_template_counts(host: HostProcess, generation: str) -> None:
    path = "/runtime/webhooks/durabletask/entities/Counter/a"
    for number in (1, 2):
        # 1.x reads JSON inside a JSON string.
        input = str(number) if generation == "1.x" else number
        assert host.post(f"{path}?op=add", json=input).status_code == 202
    until(lambda: host.get(path).text == "3", host=host)


def test_requirements_say_what_was_tested(host: HostProcess, generation: str) -> None:
    file, text = ("package.json", '"durable-functions": "^3.0.0"') if generation in NODE else ("requirements.txt", SDK)
    assert text in (host.root / file).read_text()

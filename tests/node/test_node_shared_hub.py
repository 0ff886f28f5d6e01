"""A task hub that an app of the other language has written: looked at and controlled while this one runs."""

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from func_command import run_func
from host_process import HostProcess, hub_settings, until, write_app
from node_apps import write_node_app
from npm_packages import NpmPackages

PYTHON_APP = {
    "function_app.py": """
import azure.durable_functions as df
import azure.functions as func

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)

@app.orchestration_trigger(context_name="context")
def PythonWaits(context):
    word = context.get_input()["word"]
    context.set_custom_status({"waits": word})
    more = yield context.wait_for_external_event("Go")
    return (yield context.call_activity("PythonJoins", f"{word} {more}"))

@app.activity_trigger(input_name="text")
def PythonJoins(text: str) -> dict:
    return {"text": text}

@app.entity_trigger(context_name="context")
def PythonCounter(context):
    context.set_state(context.get_state(lambda: 0) + context.get_input())
"""
}
NODE_APP = {
    "src/functions/app.js": """
const df = require('durable-functions');

df.app.orchestration('NodeWaits', function* (context) {
    const { word } = context.df.getInput();
    context.df.setCustomStatus({ waits: word });
    const more = yield context.df.waitForExternalEvent('Go');
    return yield context.df.callActivity('NodeJoins', `${word} ${more}`);
});

df.app.activity('NodeJoins', { handler: (text) => ({ text }) });

df.app.entity('NodeCounter', (context) => {
    context.df.setState(context.df.getState(() => 0) + context.df.getInput());
});
"""
}
INSTANCES = "/runtime/webhooks/durabletask/instances"


@pytest.fixture(scope="module", params=["Python first", "Node.js first"])
def hosts(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    connection_string: str,
    npm_packages: NpmPackages,
) -> Iterator[tuple[str, HostProcess, HostProcess]]:
    """The prefix of the first app's functions, and two hosts on one hub: of that app, which runs before and after each
    test, and of the other one, which does not.
    """
    settings = hub_settings(connection_string, f"Shared{uuid.uuid4().hex[:8]}")
    folder = tmp_path_factory.mktemp("shared")
    python = HostProcess(write_app(folder / "python", PYTHON_APP), settings)
    node_app = write_node_app(folder / "node", NODE_APP, npm_packages)
    node = HostProcess(node_app, {**settings, "FUNCTIONS_WORKER_RUNTIME": "node"})
    first, second, prefix = (python, node, "Python") if request.param == "Python first" else (node, python, "Node")
    first.start()
    yield prefix, first, second
    first.end()
    second.end()


def start(host: HostProcess, name: str, word: str) -> str:
    response = host.post(f"/runtime/webhooks/durabletask/orchestrators/{name}", json={"word": word})
    assert response.status_code == 202, response.text
    return response.json()["id"]


def command(host: HostProcess, *arguments: str) -> str:
    """What `func durable` prints in the folder of a host's app, with its settings."""
    done = run_func("durable", *arguments, folder=host.root, settings=host.settings)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_instances_of_the_other_language_are_seen_controlled_and_continue_with_their_own_app(
    hosts: tuple[str, HostProcess, HostProcess],
) -> None:
    prefix, first, second = hosts
    name = f"{prefix}Waits"
    ids = {word: start(first, name, word) for word in ("goes", "ends", "sleeps", "done")}
    for instance_id in ids.values():
        until(lambda instance_id=instance_id: first.status(instance_id).get("customStatus"), host=first)
    assert first.post(f"{INSTANCES}/{ids['done']}/raiseEvent/Go", json="on").status_code == 202
    first.wait_status(ids["done"], "Completed")
    counter = f"/runtime/webhooks/durabletask/entities/{prefix}Counter/k"
    number: Any = "5" if prefix == "Python" else 5  # the 1.x SDK reads JSON inside a JSON string
    assert first.post(f"{counter}?op=add", json=number).status_code == 202
    until(lambda: first.get(counter).status_code == 200, host=first)
    assert first.stop() == 0

    second.start()
    # Looked at: status, list, history, entity, and the commands in the folder of the other app.
    seen = second.status(ids["goes"])
    assert (seen["name"], seen["runtimeStatus"], seen["customStatus"]) == (name, "Running", {"waits": "goes"})
    listed = {one["instanceId"] for one in second.get(f"{INSTANCES}/").json()}
    assert set(ids.values()) <= listed
    assert second.status(ids["done"])["output"] == {"text": "done on"}
    assert second.get(counter).json() == 5
    assert json.loads(command(second, "get-runtime-status", "--id", ids["ends"]))["Name"] == name
    assert "EventRaised" in command(second, "get-history", "--id", ids["done"])
    # Controlled: terminate, suspend and resume, purge, an event.
    assert second.post(f"{INSTANCES}/{ids['ends']}/terminate?reason=enough").status_code == 202
    assert second.wait_status(ids["ends"], "Terminated")["output"] == "enough"
    assert second.post(f"{INSTANCES}/{ids['sleeps']}/suspend?reason=later").status_code == 202
    second.wait_status(ids["sleeps"], "Suspended")
    assert second.request("DELETE", f"{INSTANCES}/{ids['done']}").json() == {"instancesDeleted": 1}
    # An event for a suspended instance waits; code that this app does not have cannot take it.
    assert second.post(f"{INSTANCES}/{ids['sleeps']}/raiseEvent/Go", json="again").status_code == 202
    # The other app's own instances run meanwhile.
    own = start(second, "NodeWaits" if prefix == "Python" else "PythonWaits", "own")
    assert second.post(f"{INSTANCES}/{own}/raiseEvent/Go", json="way").status_code == 202
    assert second.wait_status(own, "Completed")["output"] == {"text": "own way"}
    assert second.status(ids["goes"])["runtimeStatus"] == "Running"
    assert second.stop() == 0

    first.start()
    assert first.post(f"{INSTANCES}/{ids['goes']}/raiseEvent/Go", json="further").status_code == 202
    assert first.wait_status(ids["goes"], "Completed")["output"] == {"text": "goes further"}
    assert first.post(f"{INSTANCES}/{ids['sleeps']}/resume?reason=now").status_code == 202
    assert first.wait_status(ids["sleeps"], "Completed")["output"] == {"text": "sleeps again"}


def test_another_hub_is_named_in_the_request(hosts: tuple[str, HostProcess, HostProcess]) -> None:
    """A host of the other language on a hub of its own reaches this one with `taskHub`."""
    prefix, first, second = hosts
    hub = first.settings["AzureFunctionsJobHost__extensions__durableTask__hubName"]
    waiting = start(first, f"{prefix}Waits", "far")
    other = HostProcess(second.root, {**second.settings, **_own_hub()})
    try:
        other.start()
        path = f"{INSTANCES}/{waiting}"
        until(lambda: other.get(f"{path}?taskHub={hub}").json().get("customStatus"), host=other)
        assert other.post(f"{path}/raiseEvent/Go?taskHub={hub}", json="away").status_code == 202
        assert first.wait_status(waiting, "Completed")["output"] == {"text": "far away"}
    finally:
        other.end()


def _own_hub() -> dict[str, str]:
    return {"AzureFunctionsJobHost__extensions__durableTask__hubName": f"Own{uuid.uuid4().hex[:8]}"}

"""What the log shows about orchestrations and entities: in each output mode, on both kinds of hub."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from durable_world import HEADER, MANAGEMENT, finished, output, raise_event, run, start_instance, wait_custom_status
from host_process import HostProcess, hub_settings, until, write_app

APP = (
    HEADER
    + """
def look(data):
    return data["wrong_key"]


@app.activity_trigger(input_name="value")
def echo(value):
    return value


@app.activity_trigger(input_name="value")
def boom(value):
    raise ValueError("boom")


@app.activity_trigger(input_name="value")
def when(value):
    return {"when": datetime.now()}


@app.orchestration_trigger(context_name="context")
def fine(context):
    return (yield context.call_activity("echo", 1))


@app.orchestration_trigger(context_name="context", orchestration="named")
def flow(context):
    yield context.call_activity("echo", 1)
    return look({})


@app.orchestration_trigger(context_name="context")
def calls(context):
    yield context.call_activity(context.get_input())


@app.orchestration_trigger(context_name="context")
def number(context):
    return context.get_input() + 1


@app.orchestration_trigger(context_name="context")
def waits(context):
    context.set_custom_status("waiting")
    yield context.wait_for_external_event("go")
    return look({})


@app.orchestration_trigger(context_name="context")
def races(context):
    timer = context.create_timer(context.current_utc_datetime + timedelta(hours=1))
    yield context.task_any([timer, context.call_activity("echo", 1)])


@app.entity_trigger(context_name="context")
def thing(context):
    if context.operation_name == "bad":
        look({})
    context.set_state(1)


@app.orchestration_trigger(context_name="context")
def asks(context):
    entity = df.EntityId("thing", "k")
    yield context.call_entity(entity, "good")
    try:
        yield context.call_entity(entity, "bad")
    except Exception as error:
        return str(error)
"""
)
SQLITE = {
    "FUNCTIONS_WORKER_RUNTIME": "python",
    "AzureFunctionsJobHost__extensions__durableTask__hubName": "LogHub",
    "AzureFunctionsJobHost__extensions__durableTask__storageProvider__type": "sqlite",
}


class LoggedHost(HostProcess):
    """A host whose output has the form `mode`."""

    mode = ""

    def start_in(self, mode: str) -> "LoggedHost":
        self.mode = mode
        self.start("--output", mode, wait=mode != "json")
        if mode == "json":
            self.base_url = json.loads(self.wait_for('"event": ?"started"'))["base_url"]
        return self


@pytest.fixture(scope="module", params=["plain", "compact", "json"])
def host(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, connection_string: str
) -> Iterator[LoggedHost]:
    mode: str = request.param
    root = write_app(tmp_path_factory.mktemp(mode) / "app", {"function_app.py": APP})
    host = LoggedHost(root, hub_settings(connection_string) if mode == "plain" else SQLITE)
    yield host.start_in(mode)
    host.end()


def told(host: LoggedHost, mark: str) -> list[str]:
    """Records that name `mark`: whole blocks of lines, without their times; of JSON, the messages."""
    if host.mode == "json":
        records = [json.loads(line) for line in host.lines if line.startswith("{")]
        return [one["message"] for one in records if mark in one.get("message", "")]
    blocks: list[str] = []
    for line in host.lines:
        text = re.sub(r"^\[\S+Z\] |^\d\d:\d\d:\d\d ", "", line)
        begins = text != line and not text.startswith((" ", "Exception", "Likely", "Stack", "Operation", "Reason"))
        if begins or not blocks:
            blocks.append(text)
        else:
            blocks[-1] += "\n" + text
    return [block for block in blocks if mark in block]


def own(host: LoggedHost, instance_id: str, name: str, count: int = 2) -> list[str]:
    """Start and end of an orchestration of a function, once there is this number of records."""
    shape = re.compile(rf"Execut(ing|ed) 'Functions\.{name}'|^((error|warn) )?{name} (started|[a-z]+ in \d+ ms)")

    def there() -> list[str]:
        found = [one for one in told(host, instance_id) if shape.search(one)]
        return found if len(found) >= count else []

    return until(there, host=host)


def test_start_and_end_are_shown(host: LoggedHost) -> None:
    instance_id = run(host, "fine")["instanceId"]
    start, end = own(host, instance_id, "fine")
    assert re.search("Executing 'Functions.fine'|fine started", start)
    assert re.search(r"\(Succeeded, .*RuntimeStatus=Completed, Duration=\d+ms\)|fine completed in \d+ ms", end)


def test_an_error_is_shown_once_with_type_text_and_place(host: LoggedHost) -> None:
    status = run(host, "named", wanted="Failed")
    assert status["output"] == "Orchestrator function 'named' failed: 'wrong_key'"
    start, end = own(host, status["instanceId"], "flow")
    assert "KeyError" not in start
    assert re.search(r"\(Failed, .*RuntimeStatus=Failed, Duration=\d+ms\)|flow failed in \d+ ms", end)
    assert "KeyError: 'wrong_key'" in end
    line = APP.splitlines().index('    return data["wrong_key"]') + 1
    frames = re.findall(r'File "(.+)", line (\d+), in (\w+)', end)
    assert [(name, function) for name, _, function in frames] == [
        (str(host.root / "function_app.py"), "flow"),
        (str(host.root / "function_app.py"), "look"),
    ]
    assert int(frames[1][1]) == line


def test_the_traceback_of_a_failed_activity_is_shown_once(host: LoggedHost) -> None:
    before = host.output.count('raise ValueError("boom")') + host.output.count('raise ValueError(\\"boom\\")')
    instance_id = run(host, "calls", "boom", wanted="Failed")["instanceId"]
    end = own(host, instance_id, "calls")[-1]
    assert "Activity function 'boom' failed:" in end
    assert "ValueError: boom" in end
    after = host.output.count('raise ValueError("boom")') + host.output.count('raise ValueError(\\"boom\\")')
    assert after - before == 1


def test_a_result_that_is_not_json_is_explained(host: LoggedHost) -> None:
    run(host, "calls", "when", wanted="Failed")
    (block,) = until(lambda: told(host, "must be json serializable ({'when'")[:1], host=host)
    assert "The value that 'when' (function_app.py:" in block
    assert "has a value of type datetime" in block


def test_a_start_with_a_bare_number_is_explained(host: LoggedHost) -> None:
    response = host.post(f"{MANAGEMENT}/orchestrators/number", json=5)
    instance_id = response.json()["id"]
    status = finished(host, instance_id, "Failed")
    assert status["output"].endswith("the JSON object must be str, bytes or bytearray, not int")
    end = own(host, instance_id, "number")[-1]
    line = APP.splitlines().index("    return context.get_input() + 1") + 1
    assert f"with a bare number as its input, and get_input() at function_app.py:{line}" in end


def test_an_operation_that_raises_is_a_failure(host: LoggedHost) -> None:
    assert output(host, "asks") == "'wrong_key'"

    def there() -> list[str]:
        found = [one for one in told(host, "@thing@k") if re.search(r"Executed '|(done|failed) in", one)]
        return found if len(found) >= 2 else []

    good, bad = until(there, host=host)
    assert re.search(r"Succeeded, |done in", good)
    assert re.search(r"\(Failed, .*InstanceId=@thing@k, Duration=\d+ms\)|thing failed in \d+ ms \(@thing@k\)", bad)
    assert "'bad'" in bad
    assert "KeyError: 'wrong_key'" in bad
    assert re.findall(r", in (\w+)", bad) == ["thing", "look"]


def test_open_timers_behind_code_that_has_returned_are_named(host: LoggedHost) -> None:
    instance_id = start_instance(host, "races")
    line = host.wait_for(f"DH6160.*'{instance_id}'")
    assert re.search(r"has returned, .* timer 0 at \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\..*timer\.cancel\(\)", line)
    host.post(f"{MANAGEMENT}/instances/{instance_id}/terminate?reason=enough")
    finished(host, instance_id, "Terminated")
    assert "enough" in own(host, instance_id, "races")[-1]


def test_after_a_restart_of_the_host_only_the_end_is_shown(host: LoggedHost) -> None:
    """Restarts the shared host."""
    instance_id = start_instance(host, "waits")
    wait_custom_status(host, instance_id, "waiting")
    host.stop()
    host.start_in(host.mode)
    raise_event(host, instance_id, "go")
    finished(host, instance_id, "Failed")
    (end,) = own(host, instance_id, "waits", 1)
    assert "KeyError: 'wrong_key'" in end
    assert "Executing" not in end


@pytest.mark.parametrize("host", ["json"], indirect=True)
def test_json_lines_have_the_parts_as_members(host: LoggedHost) -> None:
    instance_id = run(host, "named", wanted="Failed")["instanceId"]

    def there() -> list[dict[str, Any]]:
        records = [json.loads(line) for line in host.lines if instance_id in line]
        found = [one for one in records if one.get("function") == "flow"]
        return found if len(found) == 2 else []

    start, end = until(there, host=host)
    assert (start["level"], start["status"]) == ("Information", "Running")
    assert (end["level"], end["status"], end["instanceId"]) == ("Error", "Failed", instance_id)
    assert end["category"] == "Function.flow"
    assert isinstance(end["durationMs"], int)
    exception = end["exception"]
    assert (exception["type"], exception["message"]) == ("KeyError", "'wrong_key'")
    assert exception["file"] == str(host.root / "function_app.py")
    assert exception["line"] == APP.splitlines().index('    return data["wrong_key"]') + 1


def test_an_app_without_http_functions_hears_nothing_of_auth_levels(host: LoggedHost) -> None:
    assert "Auth level" not in host.output

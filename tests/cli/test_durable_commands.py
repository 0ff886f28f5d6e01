"""`func durable` on both kinds of hub, while no host runs.

Source: docs/protocol/functions-host-cli.md#durable-commands
"""

import ast
import json
import re
import socket
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli_runs import Func
from hub_states import clock, episode, first_episodes, serve

from durable_host.cli.durable.sdk_of_test import names_its_interpreter, sdk_version
from durable_host.durable.model.events import (
    EventRaised,
    ExecutionResumed,
    ExecutionStarted,
    ExecutionSuspended,
    ExecutionTerminated,
    HistoryEvent,
)
from durable_host.durable.model.instance import InstanceUpdate
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.taskhub.port import EpisodeCommit, TaskHub
from durable_host.invocation.interpreter import environment_python
from durable_host.storage import transport

KEYS = [
    "CompletedTime", "CompressedSize", "CreatedTime", "Input", "LastUpdatedTime", "Name", "OrchestrationInstance",
    "OrchestrationStatus", "Output", "ParentInstance", "Size", "Status", "Tags", "Version", "Generation",
    "ScheduledStartTime", "FailureDetails",
]  # fmt: skip


@pytest.fixture(params=[pytest.param("azure", marks=pytest.mark.storage), "sqlite"])
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def app(kind: str, func: Func, folder: Path, monkeypatch: pytest.MonkeyPatch, request: Any) -> Iterator[Path]:
    """A folder with a host.json that names a hub of this test's own."""
    hub = f"Cli{uuid.uuid4().hex[:10]}"
    provider = {"type": "sqlite"} if kind == "sqlite" else {"partitionCount": 2}
    durable = {"hubName": hub, "storageProvider": provider}
    (folder / "host.json").write_text(json.dumps({"version": "2.0", "extensions": {"durableTask": durable}}))
    if kind == "azure":
        monkeypatch.setenv("AzureWebJobsStorage", request.getfixturevalue("connection_string"))
    yield folder
    assert func("durable", "delete-task-hub").code == 0


def start(func: Func, *ids: str) -> None:
    for instance_id in ids:
        assert func("durable", "start-new", "--function-name", "Flow", "--id", instance_id).code == 0


def status(func: Func, instance_id: str, *extra: str) -> dict[str, Any]:
    return func("durable", "get-runtime-status", "--id", instance_id, *extra).json()


def sent(app: Path, kind: type[HistoryEvent]) -> HistoryEvent:
    """The first message of this kind that a worker receives."""
    found: list[HistoryEvent] = []

    async def work(hub: TaskHub) -> None:
        while not found:
            messages = await hub.next_control_messages()
            found.extend(one.message.event for one in messages if isinstance(one.message.event, kind))
            await hub.discard(messages)

    serve(app, work)
    return found[0]


def test_started_instance_is_pending_until_a_host_comes(func: Func, app: Path):
    outcome = func("durable", "start-new", "--function-name", "Flow", "--id", "one", "--input", "Tokyo")
    assert re.fullmatch(r"Started 'Flow' at \d{4}-\d\d-\d\dT[\d:.]+Z\. Instance ID: 'one'\.\n", outcome.out)
    state = status(func, "one", "--show-input")
    assert list(state) == KEYS
    assert (state["Name"], state["OrchestrationStatus"], state["Input"]) == ("Flow", 6, '"Tokyo"')
    assert state["OrchestrationInstance"]["InstanceId"] == "one"
    assert (state["CompletedTime"], state["Generation"], state["Version"]) == ("0001-01-01T00:00:00", 0, None)
    assert status(func, "one")["Input"] is None


def test_instance_without_an_id_gets_a_random_one(func: Func, app: Path):
    out = func("durable", "start-new", "--function-name", "Flow", "--output", "json").json()
    assert re.fullmatch(r"[0-9a-f]{32}", out["instanceId"])


@pytest.mark.parametrize(
    ("text", "file", "stored"),
    [
        (None, None, "null"),
        ('{"a":1}', None, '"{\\"a\\":1}"'),
        ("5", None, '"5"'),
        ("", None, '""'),
        ("grüße", None, '"grüße"'),
        ("@in.json", '{ "a": [1, "ü"] }', '{"a":[1,"ü"]}'),
        ("@in.json", "\ufeff5", "5"),
    ],
)
def test_input_is_a_json_string_unless_it_is_a_file(
    func: Func, app: Path, text: str | None, file: str | None, stored: str
):
    if file is not None:
        (app / "in.json").write_text(file, "utf-8")
    arguments = [] if text is None else ["--input", text]
    func("durable", "start-new", "--function-name", "Flow", "--id", "one", *arguments)
    event = sent(app, ExecutionStarted)
    assert isinstance(event, ExecutionStarted)
    assert event.input == stored


def test_running_instance_is_not_started_again(func: Func, app: Path):
    start(func, "one")
    outcome = func("durable", "start-new", "--function-name", "Flow", "--id", "one")
    assert outcome.code == 1
    assert "error DH6303: An Orchestration instance with the status Pending already exists." in outcome.err


def test_event_reaches_the_instance(func: Func, app: Path):
    start(func, "one")
    outcome = func("durable", "raise-event", "--id", "one", "--event-name", "Approval", "--event-data", "true")
    assert outcome.out == "Raised event 'Approval' to instance 'one'.\n"
    event = sent(app, EventRaised)
    assert isinstance(event, EventRaised)
    assert (event.name, event.input) == ("Approval", '"true"')


def test_event_without_a_name_gets_a_random_one(func: Func, app: Path):
    start(func, "one")
    out = func("durable", "raise-event", "--id", "one", "--output", "json").json()
    assert re.fullmatch(r"Event_[0-9a-f]{32}", out["eventName"])


def test_terminate_says_when_no_host_ended_the_instance(func: Func, app: Path):
    start(func, "one")
    outcome = func("durable", "terminate", "--id", "one", "--reason", "enough", "--timeout", "0")
    assert outcome.code == 0
    assert outcome.out.startswith(
        "Sent a termination message to instance 'one'. Waiting up to 0 seconds for the orchestration to actually "
        "terminate...\nInstance did not terminate within the given timeout.\n"
    )
    event = sent(app, ExecutionTerminated)
    assert isinstance(event, ExecutionTerminated)
    assert event.input == "enough"


def test_terminate_waits_for_the_host(func: Func, app: Path):
    start(func, "one")

    async def work(hub: TaskHub) -> None:
        while True:
            messages = await hub.next_control_messages()
            begun = [one for one in messages if isinstance(one.message.event, ExecutionStarted)]
            for message in begun:
                await hub.commit(episode(message, OrchestrationStatus.Running))
            if any(isinstance(one.message.event, ExecutionTerminated) for one in messages):
                await end_of(hub, "one")
                await hub.discard([one for one in messages if one not in begun])
                return

    host = threading.Thread(target=serve, args=(app, work))
    host.start()
    outcome = func("durable", "terminate", "--id", "one")
    host.join()
    assert outcome.out.splitlines()[-1] == "Successfully terminated 'one'"
    assert status(func, "one")["OrchestrationStatus"] == 5


async def end_of(hub: TaskHub, instance_id: str) -> None:
    loaded = await hub.load_history(instance_id)
    assert loaded.execution_id is not None
    update = InstanceUpdate(
        execution_id=loaded.execution_id,
        last_updated_time=clock.now(),
        runtime_status=OrchestrationStatus.Terminated,
        completed_time=clock.now(),
    )
    await hub.commit(
        EpisodeCommit(
            instance_id=instance_id,
            execution_id=loaded.execution_id,
            checkpoint=loaded.checkpoint,
            first_ordinal=len(loaded.events),
            events=[ExecutionTerminated(timestamp=clock.now())],
            outbound=[],
            update=update,
            consumed=[],
        )
    )


def test_suspend_and_resume_send_their_messages(func: Func, app: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("durable_host.cli.durable.suspend_resume._PATIENCE", 0.0)
    start(func, "one", "two")
    assert func("durable", "resume", "--id", "one").code == 1
    outcome = func("durable", "suspend", "--id", "one", "--reason", "holiday")
    assert outcome.out == "Sent a suspension message to instance 'one'.\n"
    event = sent(app, ExecutionSuspended)
    assert isinstance(event, ExecutionSuspended)
    assert event.reason == "holiday"


def test_suspended_instance_is_resumed(func: Func, app: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("durable_host.cli.durable.suspend_resume._PATIENCE", 0.0)
    start(func, "one")
    serve(app, first_episodes(OrchestrationStatus.Suspended))
    assert func("durable", "suspend", "--id", "one").code == 1
    assert func("durable", "resume", "--id", "one").out == "Sent a resumption message to instance 'one'.\n"
    assert isinstance(sent(app, ExecutionResumed), ExecutionResumed)


def test_failed_instance_is_rewound(func: Func, app: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("durable_host.cli.durable.rewind._PATIENCE", 0.0)
    start(func, "one")
    serve(app, first_episodes(OrchestrationStatus.Failed))
    outcome = func("durable", "rewind", "--id", "one", "--reason", "mended")
    assert outcome.out == (
        "Rewind message sent to instance 'one'. Retrieving new status now...\n"
        "Status before rewind: Failed\nStatus after rewind: Pending\n"
    )


def test_only_failed_instances_are_rewound(func: Func, app: Path):
    start(func, "one")
    outcome = func("durable", "rewind", "--id", "one")
    assert outcome.code == 1
    assert "Orchestration instance not rewound. Must have a status of 'Failed'" in outcome.err
    assert "The status of 'one' is Pending." in outcome.err


def test_restart_makes_a_new_instance_with_the_same_input(func: Func, app: Path):
    func("durable", "start-new", "--function-name", "Flow", "--id", "one", "--input", "Tokyo")
    out = func("durable", "restart", "--id", "one", "--output", "json").json()
    assert out["instanceId"] != "one"
    assert status(func, out["instanceId"], "--show-input")["Input"] == '"Tokyo"'
    assert func("durable", "restart", "--id", "one", "--same-id").code == 1


def test_ended_instance_is_restarted_under_its_id(func: Func, app: Path):
    start(func, "one")
    serve(app, first_episodes(OrchestrationStatus.Completed))
    outcome = func("durable", "restart", "--id", "one", "--same-id")
    assert outcome.out == "Restarted 'one'. Instance ID: 'one'.\n"
    state = status(func, "one")
    assert (state["OrchestrationStatus"], state["Generation"]) == (6, 1)


def test_state_and_history_of_an_ended_instance(func: Func, app: Path):
    start(func, "one")
    serve(app, first_episodes(OrchestrationStatus.Failed))
    state = status(func, "one", "--show-output")
    assert status(func, "one", "--show-input", "false", "--show-output", "true") == state
    assert (state["OrchestrationStatus"], state["Output"], state["Status"]) == (3, '"over"', '{"stage":1}')
    assert state["CompletedTime"] > "2020"
    assert status(func, "one")["Output"] is None
    history = func("durable", "get-history", "--id", "one").json()
    assert [event["EventType"] for event in history] == [
        "OrchestratorStarted", "ExecutionStarted", "TaskScheduled", "TaskFailed", "ExecutionCompleted",
        "OrchestratorCompleted",
    ]  # fmt: skip
    stored = func("durable", "get-history", "--id", "one", "--as-stored").json()
    assert stored[0]["EventType"] == "OrchestratorStarted"
    assert sorted(stored, key=lambda event: event["Timestamp"]) == history
    assert list(history[3]) == [
        "EventType", "TaskScheduledId", "Reason", "Details", "FailureDetails", "EventId", "IsPlayed", "Timestamp",
    ]  # fmt: skip
    assert "$type" not in json.dumps(history)


def test_listing_has_pages_and_filters(func: Func, app: Path):
    start(func, "a", "b", "c")
    serve(app, first_episodes(OrchestrationStatus.Completed, count=3))
    start(func, "d")

    def listed(*arguments: str) -> tuple[list[str], str | None]:
        answer = func("durable", "get-instances", "--output", "json", *arguments).json()
        ids = [state["OrchestrationInstance"]["InstanceId"] for state in answer["instances"]]
        return ids, answer["continuationToken"]

    assert listed() == (["a", "b", "c", "d"], None)
    assert listed("--runtime-status", "completed")[0] == ["a", "b", "c"]
    assert listed("--runtime-status", "failed", "PENDING")[0] == ["d"]
    assert listed("--created-after", "2999-01-01T00:00:00Z")[0] == []
    assert listed("--created-before", "2999-01-01")[0] == ["a", "b", "c", "d"]
    first, token = listed("--top", "3")
    assert first == ["a", "b", "c"]
    assert token is not None
    assert listed("--top", "3", "--continuation-token", token)[0] == ["d"]


def test_listing_for_people_ends_with_the_token(func: Func, app: Path):
    start(func, "a")
    out = func("durable", "get-instances").out
    array, _, last = out.rstrip("\n").rpartition("\n")
    assert [list(state) for state in json.loads(array)] == [KEYS]
    assert array.startswith('[\n  {\n    "CompletedTime"')
    assert last == "Continuation token for next set of results: ''"


def test_purge_keeps_what_has_not_ended(func: Func, app: Path):
    start(func, "a", "b")
    serve(app, first_episodes(OrchestrationStatus.Completed, count=2))
    start(func, "c")
    outcome = func("durable", "purge-history", "--runtime-status", "completed", "failed")
    assert outcome.out == (
        "Purged orchestration history for all instances created between '0001-01-01T00:00:00Z' and "
        "'9999-12-30T23:59:59.9999999Z' and whose runtime status matched one of the following: [Completed,Failed]\n"
        "Instances deleted: 2\nRows deleted: 10\n"
    )
    out = func("durable", "purge-history", "--created-before", "2999-01-01T00:00:00Z").out
    assert "and '2999-01-01T00:00:00Z'\nInstances deleted: 0\n" in out
    assert status(func, "c")["Name"] == "Flow"


def test_unknown_instance_is_reported_without_failing_as_in_the_reference(func: Func, app: Path):
    start(func, "one")
    outcome = func("durable", "get-runtime-status", "--id", "none")
    assert (outcome.code, outcome.out) == (0, "")
    assert outcome.err == "Could not find an orchestration instance with id 'none'\n"
    outcome = func("durable", "get-runtime-status", "--id", "none", "--output", "json")
    assert outcome.json() is None
    assert json.loads(outcome.err) == {
        "level": "Warning",
        "message": "Could not find an orchestration instance with id 'none'",
    }


def test_export_saves_the_history_and_a_test_that_replays_it(func: Func, app: Path):
    start(func, "order 7")
    serve(app, first_episodes(OrchestrationStatus.Completed))
    assert func("durable", "export", "--id", "order 7").code == 0
    (history,) = (app / "histories").iterdir()
    stored = func("durable", "get-history", "--id", "order 7", "--as-stored").json()
    assert json.loads(history.read_text()) == stored
    assert not list(app.glob("test_*.py"))

    outcome = func("durable", "export", "--id", "order 7", "--as-test", "--output", "tests/of replay")
    assert outcome.code == 0
    folder = app / "tests/of replay"
    written = sorted(file for file in folder.rglob("*") if file.is_file())
    assert [json.loads(file.read_text()) == stored for file in written if file.suffix == ".json"] == [True]
    (test,) = (file for file in written if file.suffix == ".py")
    assert f'assert_replays("histories/{history.name}")' in test.read_text()
    assert [line.partition(str(folder))[0] for line in outcome.out.splitlines()] == ["Wrote ", "Wrote "]


def test_export_keeps_a_test_that_somebody_may_have_edited(func: Func, app: Path):
    start(func, "one")
    serve(app, first_episodes(OrchestrationStatus.Completed))
    func("durable", "export", "--id", "one", "--as-test")
    (test,), (history,) = app.glob("test_*.py"), (app / "histories").iterdir()
    test.write_text("edited")
    history.write_text("old")
    assert f"Kept {test}, which exists." in func("durable", "export", "--id", "one", "--as-test").out
    assert test.read_text() == "edited"
    assert history.read_text() != "old"


def test_export_warns_of_a_test_that_runs_on_the_other_sdk(func: Func, app: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    start(func, "one")
    serve(app, first_episodes(OrchestrationStatus.Completed))
    outcome = func("durable", "export", "--id", "one", "--as-test")
    assert outcome.code == 0
    assert "warning DH6307: The test will not replay this history" in outcome.err
    assert "the host's own Python" in outcome.err
    assert "DH6307" not in func("durable", "export", "--id", "one").err

    (app / "pytest.ini").write_text("[pytest]\ndurable_host_python = /opt/other/bin/python\n")
    assert func("durable", "export", "--id", "one", "--as-test").err == ""
    (app / "pytest.ini").unlink()

    environment = app / ".venv"
    python = environment_python(environment)
    python.parent.mkdir(parents=True)
    python.touch()
    (environment / "pyvenv.cfg").touch()
    (environment / "lib/python3.13/site-packages/azure_functions_durable-2.0.0.dist-info").mkdir(parents=True)
    assert func("durable", "export", "--id", "one", "--as-test").err == ""


@pytest.mark.parametrize("name", ["pytest.toml", ".pytest.toml", "pyproject.toml"])
def test_an_ini_file_of_the_repository_names_the_interpreter_of_tests(tmp_path: Path, name: str):
    root = tmp_path / "repository/apps/shop"
    root.mkdir(parents=True)
    (tmp_path / "repository/.git").mkdir()
    (tmp_path / name).write_text("durable_host_python = 'python3.13'")
    assert not names_its_interpreter(root)
    (tmp_path / "repository" / name).write_text("durable_host_python = 'python3.13'")
    assert names_its_interpreter(root)


def test_the_sdk_of_an_environment_is_unknown_if_several_pythons_share_it(tmp_path: Path):
    (tmp_path / "lib/python3.10/site-packages/azure_functions_durable-1.2.9.dist-info").mkdir(parents=True)
    assert sdk_version(tmp_path) == "1.2.9"
    (tmp_path / "lib/python3.12/site-packages").mkdir(parents=True)
    assert sdk_version(tmp_path) is None


@pytest.mark.parametrize("instance_id", ["it's", 'a "b"', "both \"'", "ü😀", "^%25<&>", "L" * 90])
def test_the_exported_test_names_the_instance_as_python_code(func: Func, app: Path, instance_id: str):
    start(func, instance_id)
    serve(app, first_episodes(OrchestrationStatus.Completed))
    assert func("durable", "export", "--id", instance_id, "--as-test").code == 0
    (test,) = app.glob("test_*.py")
    assigned = next(one for one in ast.parse(test.read_text("utf-8")).body if isinstance(one, ast.Assign))
    assert ast.literal_eval(assigned.value) == instance_id


def test_export_refuses_what_cannot_be_replayed(func: Func, app: Path):
    start(func, "pending")
    outcome = func("durable", "export", "--id", "pending", "--as-test")
    assert (outcome.code, "DH6303" in outcome.err, "It has not begun to run." in outcome.err) == (1, True, True)
    assert "DH6302" in func("durable", "export", "--id", "nobody").err
    (app / "occupied").write_text("")
    serve(app, first_episodes(OrchestrationStatus.Completed))
    outcome = func("durable", "export", "--id", "pending", "--output", "occupied/tests")
    assert (outcome.code, "DH6306" in outcome.err) == (1, True)


@pytest.mark.parametrize("command", ["get-history", "export", "raise-event", "suspend", "resume", "rewind", "restart"])
def test_unknown_instance_is_a_failure_where_something_was_to_be_done(func: Func, app: Path, command: str):
    start(func, "one")
    outcome = func("durable", command, "--id", "none")
    assert outcome.code == 1
    assert "error DH6302: Could not find an orchestration instance with id 'none'" in outcome.err


def test_unknown_instance_is_not_terminated(func: Func, app: Path):
    start(func, "one")
    outcome = func("durable", "terminate", "--id", "none")
    assert outcome.code == 1
    assert "Failed to find instance 'none'. No instance was terminated." in outcome.err


@pytest.mark.parametrize("command", ["raise-event", "terminate", "suspend", "resume"])
def test_ended_instance_takes_nothing(func: Func, app: Path, command: str):
    start(func, "one")
    serve(app, first_episodes(OrchestrationStatus.Completed))
    outcome = func("durable", command, "--id", "one")
    assert outcome.code == 1
    assert "error DH6303: The instance 'one' has ended: its status is Completed." in outcome.err


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["start-new"], 2, "--function-name"),
        (["start-new", "--function-name", "F", "--id", "a/b"], 1, "must not contain /"),
        (["start-new", "--function-name", "F", "--id", "@a"], 1, "must not start with @"),
        (["start-new", "--function-name", "F", "--input", "@none.json"], 1, "Could not find input file at 'none.json'"),
        (
            ["start-new", "--function-name", "F", "--input", "@bad.json"],
            1,
            "The input file 'bad.json' does not contain valid JSON.",
        ),
        (["start-new", "--function-name", "F", "--input", "@."], 1, "cannot be read"),
        (["get-instances", "--runtime-status", "sleeping"], 2, "'sleeping' is not a runtime status."),
        (["get-instances", "--created-after", "yesterday"], 2, "'yesterday' is not a time"),
        (["get-instances", "--top", "0"], 2, "--top"),
        (["purge-history", "--runtime-status", "running"], 2, "is not a runtime status of an instance that has ended"),
        (["get-instances", "--task-hub-name", "1 hub"], 3, "should contain only alphanumeric characters"),
        (["get-instances", "--task-hub-name", "Elsewhere"], 1, "error DH6301: There is no task hub 'Elsewhere'"),
    ],
)
def test_mistakes_are_explained(func: Func, app: Path, arguments: list[str], code: int, text: str):
    start(func, "one")
    (app / "bad.json").write_text("{")
    outcome = func("durable", *arguments)
    assert outcome.code == code
    assert text in outcome.err


def test_token_from_elsewhere_is_refused(func: Func, app: Path):
    start(func, "one")
    outcome = func("durable", "get-instances", "--continuation-token", "zzz")
    assert (outcome.code, outcome.out) == (1, "")
    assert "error DH6303: 'zzz' is not a continuation token of the task hub" in outcome.err
    assert "cause:" in outcome.err
    assert "omit --continuation-token" in outcome.err


def test_hub_is_deleted_whether_it_is_there_or_not(func: Func, app: Path):
    hub = json.loads((app / "host.json").read_text())["extensions"]["durableTask"]["hubName"]
    start(func, "one")
    for _ in range(2):
        assert func("durable", "delete-task-hub").out == f"Task hub '{hub}' successfully deleted.\n"
    outcome = func("durable", "get-instances")
    assert outcome.code == 1
    assert f"error DH6301: There is no task hub '{hub}'" in outcome.err
    start(func, "two")
    answer = func("durable", "get-instances", "--output", "json").json()
    assert len(answer["instances"]) == 1


@pytest.mark.parametrize("kind", ["azure"], indirect=True)
def test_other_hubs_are_reached_by_name_even_without_an_app(
    func: Func,
    app: Path,
    connection_string: str,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
):
    hub = json.loads((app / "host.json").read_text())["extensions"]["durableTask"]["hubName"]
    start(func, "one")
    monkeypatch.setenv("OtherStorage", connection_string)
    monkeypatch.delenv("AzureWebJobsStorage")
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.chdir(elsewhere)
    there = ("--task-hub-name", hub, "--connection-string-setting", "OtherStorage")
    assert status(func, "one", *there)["Name"] == "Flow"
    assert list(elsewhere.iterdir()) == []
    assert func("durable", "get-instances").code == 3
    monkeypatch.chdir(app)
    monkeypatch.setenv("AzureWebJobsStorage", connection_string)


@pytest.mark.storage
@pytest.mark.parametrize("kind", ["azure"], indirect=True)
def test_messages_go_where_the_hub_expects_them_whatever_host_json_says(func: Func, app: Path):
    ids = [f"instance-{number}" for number in range(6)]
    start(func, "first")
    text = (app / "host.json").read_text()
    (app / "host.json").write_text(text.replace('"partitionCount": 2', '"partitionCount": 7'))
    start(func, *ids)
    (app / "host.json").write_text(text)
    serve(app, first_episodes(OrchestrationStatus.Completed, count=7))
    assert {status(func, one)["OrchestrationStatus"] for one in ids} == {1}


def test_connection_that_is_not_there(func: Func, folder: Path):
    (folder / "host.json").write_text('{"version": "2.0"}')
    outcome = func("durable", "get-instances")
    assert outcome.code == 3
    assert "error DH1101: No storage connection string found." in outcome.err


def test_storage_that_does_not_answer_is_reported_at_once(func: Func, folder: Path, monkeypatch: pytest.MonkeyPatch):
    from durable_host.storage.azurite import connection_string, free_connection

    (folder / "host.json").write_text('{"version": "2.0"}')
    monkeypatch.setenv("AzureWebJobsStorage", connection_string(free_connection()))
    outcome = func("durable", "get-instances")
    assert outcome.code == 4
    assert "is not running" in outcome.err
    assert "func start', which starts it" in outcome.err


def test_folder_without_host_json(func: Func, folder: Path):
    (folder / "local.settings.json").write_text("{}")
    outcome = func("durable", "get-instances")
    assert outcome.code == 3
    assert "Could not find local host metadata file 'host.json'" in outcome.err
    assert not (folder / "host.json").exists()


def test_hub_of_a_service_that_is_not_here_is_looked_for_where_the_host_keeps_it(
    func: Func, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    provider = {"type": "azureManaged", "connectionStringName": "SCHEDULER"}
    durable = {"hubName": "my-hub", "storageProvider": provider}
    (folder / "host.json").write_text(json.dumps({"version": "2.0", "extensions": {"durableTask": durable}}))
    monkeypatch.setenv("AzureWebJobsStorage", "")
    outcome = func("durable", "get-instances")
    assert outcome.code == 1
    assert "There is no task hub 'myhub'" in outcome.err
    assert "myhub.db" in outcome.err


def test_storage_that_does_not_answer_is_named_by_its_setting(
    func: Func, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(transport, "RETRY_DELAYS", (0.0, 0.001))
    (folder / "host.json").write_text('{"version": "2.0"}')
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        services = "".join(f"{service}Endpoint={endpoint};" for service in ("Table", "Queue", "Blob"))
        monkeypatch.setenv("AzureWebJobsStorage", f"AccountName=shop;AccountKey=c2VjcmV0;{services}")
        outcome = func("durable", "get-instances")
    assert outcome.code == 4
    assert "error DH2001: The storage account of 'AzureWebJobsStorage' does not answer." in outcome.err
    assert "Check the endpoints in 'AzureWebJobsStorage'" in outcome.err

"""Orchestrators of Node.js apps through the real package and the engine: decisions, numbers and results."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from engine_world import completed, decided, failed, fired, raised
from node_apps import write_node_app
from node_durable_world import NodeApp, NodeWorld
from npm_packages import NpmPackages

from durable_host.durable.engine import diagnostic as codes
from durable_host.durable.model.events import TaskScheduled

APPS = Path(__file__).with_name("apps")
FILES = {
    f"src/functions/{file.name}": file.read_text("utf-8")
    for name in ("all", "time", "entities")
    for file in (APPS / f"durable-{name}" / "src" / "functions").glob("*.js")
}
ORCHESTRATIONS = "src/functions/orchestrations.js"


@pytest.fixture(scope="module", params=["newest", "middle", "oldest"])
def app(
    request: pytest.FixtureRequest, npm_packages: NpmPackages, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[NodeApp]:
    """The app with the newest package, and with old ones."""
    kind: str = request.param
    root = write_node_app(
        tmp_path_factory.mktemp("app"),
        FILES,
        npm_packages,
        kind=kind,
    )
    node = NodeApp(root, npm_packages.version("durable-functions", kind))
    yield node
    node.close()


@pytest.fixture(params=["live", "cold"])
def world(app: NodeApp, request: pytest.FixtureRequest) -> NodeWorld:
    """`cold` replays everything in each episode."""
    return NodeWorld(app, mode=request.param)


def test_the_approval_with_its_event(world: NodeWorld) -> None:
    assert decided(world.deliver(world.start("approval", {"to": "boss"}), time=0)) == ["#0 notify"]
    assert world.sent[0].event.input == '[{"to":"boss"}]'
    assert decided(world.deliver(completed(0, "notified boss"), time=1)) == ["#1 timer 61"]
    assert decided(world.deliver(raised("Approval", {"by": "Ann"}), time=5)) == ["#2 done"]
    assert decided(world.deliver(completed(2, {"by": "Ann"}), time=6)) == ["#3 Completed"]
    assert world.result == {"ok": {"by": "Ann"}}


def test_the_approval_with_its_timer(world: NodeWorld) -> None:
    world.messages.append(world.start("approval", {"to": "boss"}))
    world.play()
    end = world.history()[-2]
    assert end.event_name == "ExecutionCompleted"
    assert end.result is not None
    reason, _, details = end.result.partition(" \n ")
    assert reason == "Orchestrator function 'approval' failed: Activity function 'escalate' failed:  no boss: late"
    assert details.startswith("Error: no boss: late\n    at handler (")


@pytest.mark.parametrize(
    ("orchestrator", "input", "output"),
    [
        ("inputs", None, ["text", "5", 5, 0, True, False, None, None, {"a": [1, "é"]}, [], ""]),
        (
            "children",
            None,
            [{"input": value, "parent": "inst1"} for value in ("text", 5, {"n": 1}, None, None, False)],
        ),
        ("again", {"n": 0}, {"n": 3}),
        ("againText", "first", '"second"'),
        ("anyThenAll", None, ["a", ["a", "b", "c"]]),
        ("retried", None, ["Activity function 'escalate' failed:  no boss: x ", "after"]),
        ("status", None, "inst1"),
        ("registered", None, ["A", "B", "C"]),
    ],
)
def test_results(world: NodeWorld, orchestrator: str, input: object, output: object) -> None:
    world.messages.append(world.start(orchestrator, input))
    world.play()
    assert world.result == output


@pytest.mark.differs("node-listed-again")
def test_tasks_listed_again_are_not_started_again(world: NodeWorld) -> None:
    assert decided(world.deliver(world.start("anyThenAll"), time=0)) == ["#0 echo", "#1 echo", "#2 echo"]
    assert decided(world.deliver(completed(1, "b"), time=1)) == []
    assert decided(world.deliver(completed(0, "a"), time=2)) == []
    assert decided(world.deliver(completed(2, "c"), time=3)) == ["#3 Completed"]
    assert world.result == ["b", ["a", "b", "c"]]


def test_a_wait_that_is_listed_again_does_not_hold_back_the_next_step(world: NodeWorld) -> None:
    assert decided(world.deliver(world.start("race"), time=0)) == ["#0 timer 10"]
    assert decided(world.deliver(fired(0), time=10)) == ["#1 repeat"]
    assert decided(world.deliver(completed(1, 0), time=11)) == ["#2 timer 21"]
    assert decided(world.deliver(raised("Approval", "yes"), time=12)) == ["#3 Completed"]
    assert world.result == ["timer", "yes"]


@pytest.mark.parametrize(("days", "timers"), [(6, [6]), (7, [3, 7]), (9, [3, 9]), (10, [3, 6, 10])])
def test_a_long_timer_fires_in_parts(world: NodeWorld, days: int, timers: list[int]) -> None:
    world.messages.append(world.start("longTimer", days))
    world.play()
    assert world.result == "after"
    created = [event for event in world.history() if event.event_name == "TimerCreated"]
    assert [
        (event.event_id, (event.fire_at - world.history()[0].timestamp) / 864_000_000_000) for event in created
    ] == [(number, float(day)) for number, day in enumerate(timers)]
    assert [event.event_id for event in world.history() if event.event_name == "TaskScheduled"] == [len(timers)]


def test_parts_of_a_canceled_long_timer_keep_their_numbers(world: NodeWorld) -> None:
    world.deliver(world.start("canceledLongTimer"), time=0)
    assert decided(world.deliver(raised("E"), time=10)) == ["#1 timer 345610"]
    assert decided(world.deliver(fired(0), time=3 * 86_400)) == ["#2 timer 518400"]
    assert decided(world.deliver(fired(1), time=4 * 86_400 + 10)) == ["#3 repeat"]
    assert decided(world.deliver(completed(3, "after"), time=4 * 86_400 + 11)) == ["#4 Completed"]


def test_an_http_call_is_polled_under_two_numbers(world: NodeWorld) -> None:
    def response(status: int, **headers: str) -> dict[str, object]:
        return {"statusCode": status, "headers": headers, "content": "text"}

    assert decided(world.deliver(world.start("http"), time=0)) == ["#0 BuiltIn::HttpActivity"]
    assert decided(world.deliver(completed(0, response(202, Location="/s")), time=1)) == ["#1 timer 31"]
    assert decided(world.deliver(fired(1), time=31)) == ["#2 BuiltIn::HttpActivity"]
    request = json.loads(world.sent[-1].event.input)[0]
    assert (request["method"], request["uri"], request["headers"]) == ("GET", "http://x/s", {"b": "c"})
    answer = response(202, location="http://y/s", **{"Retry-After": "5"})
    assert decided(world.deliver(completed(2, answer), time=32)) == ["#3 timer 37"]
    assert decided(world.deliver(fired(3), time=37)) == ["#4 BuiltIn::HttpActivity"]
    assert decided(world.deliver(completed(4, response(200)), time=38)) == ["#5 repeat"]
    world.deliver(completed(5, "after"), time=39)
    assert world.result == [200, "text", "after"]


def test_a_202_without_location_is_the_result(world: NodeWorld) -> None:
    world.deliver(world.start("http"), time=0)
    answer = {"statusCode": 202, "headers": {}, "content": ""}
    assert decided(world.deliver(completed(0, answer), time=1)) == ["#1 repeat"]


@pytest.mark.differs("node-retry-timeout")
def test_a_retry_that_is_given_up_ends(world: NodeWorld) -> None:
    world.deliver(world.start("retried", {"retryTimeoutInMilliseconds": 500}), time=0)
    assert decided(world.deliver(failed(0, "late"), time=1)) == ["#1 timer 1"]
    assert decided(world.deliver(fired(1), time=1)) == ["#2 escalate"]
    assert world.messages[-1].event.event_name == "TaskFailed"
    world.play()
    assert world.result == ["late ", "after"]
    assert len([event for event in world.history() if event.event_name == "TaskScheduled"]) == 4


@pytest.mark.differs("node-thrown-texts")
@pytest.mark.parametrize(
    ("what", "error"),
    [
        ("error", "user bug"),
        ("text", "text"),
        ("empty", "RangeError"),
        ("object", '{"code":5}'),
        ("undefined", "Unknown error"),
        ("number", "Durable Functions programming constraint violation: Orchestration yielded data of type number."),
        ("activity", "Activity function 'throwText' failed:  just text"),
    ],
)
def test_errors_of_the_code_fail_the_instance(world: NodeWorld, what: str, error: str) -> None:
    world.messages.append(world.start("fails", what))
    world.play()
    end = world.history()[-2]
    assert end.orchestration_status.name == "Failed"
    assert end.result.startswith(f"Orchestrator function 'fails' failed: {error}")


@pytest.mark.differs("node-failures")
def test_the_failure_names_the_line(world: NodeWorld) -> None:
    world.messages.append(world.start("fails", "error"))
    world.play()
    failure = world.outcomes[-1].failure
    assert failure is not None
    lines = FILES[ORCHESTRATIONS].splitlines()
    assert failure.line is not None
    assert "throw new TypeError('user bug')" in lines[failure.line - 1]
    assert failure.type == "TypeError"


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("notAGenerator", "this.generator.next is not a function"),
        ("bigint", "Do not know how to serialize a BigInt"),
    ],
)
def test_code_outside_of_the_protocol_fails(world: NodeWorld, name: str, error: str) -> None:
    world.messages.append(world.start(name))
    world.play()
    expected = {
        "notAGenerator": "this.generator.next is not a function",
        "bigint": "Do not know how to serialize a BigInt",
    }
    assert expected[name] in world.history()[-2].result


@pytest.mark.parametrize(
    ("name", "hint"),
    [("notAGenerator", "write 'function*' and 'yield'"), ("asyncGenerator", "is an async generator: remove 'async'")],
)
def test_code_that_is_not_a_generator_is_explained(world: NodeWorld, name: str, hint: str) -> None:
    world.deliver(world.start(name))
    failure = world.outcomes[-1].failure
    assert failure is not None
    assert hint in (failure.hint or "")


def test_entities(world: NodeWorld) -> None:
    """Sent messages only; entities have tests of their own."""
    assert decided(world.deliver(world.start("entities"), time=0)) == ["#0 sent @counter@K1", "#1 sent @counter@K1"]
    signal, call = (json.loads(message.event.input) for message in world.sent[-2:])
    assert (signal["op"], signal["input"], signal["signal"]) == ("add", "3", True)
    assert (call["op"], "input" in call) == ("get", False)
    answer = raised(call["id"], text='{"result":"3"}')
    assert decided(world.deliver(answer, time=1)) == ["#2 sent @counter@K1"]


def test_locked_entities(app: NodeApp) -> None:
    if not app.version.startswith("3.5"):
        pytest.skip("lock came with durable-functions 3.5")
    world = NodeWorld(app)
    world.deliver(world.start("transfer", {"from": "B", "to": "A", "amount": 5}), time=0)
    request = json.loads(world.sent[-1].event.input)
    assert world.sent[-1].target.instance_id == "@account@A"
    assert request["lockset"] == [{"name": "account", "key": "A"}, {"name": "account", "key": "B"}]
    granted = raised(request["id"], text='{"result":"Lock Acquisition Completed"}')
    assert decided(world.deliver(granted, time=1)) == ["#1 sent @account@B"]
    call = json.loads(world.sent[-1].event.input)
    outcome = world.deliver(raised(call["id"], text='{"result":"3"}'), time=2)
    assert decided(outcome) == ["#2 sent @account@A", "#3 sent @account@B", "#4 Completed"]
    assert [message.event.name for message in world.sent[-2:]] == ["release", "release"]
    assert world.result == {"moved": 0, "locked": True}


def test_early_events(world: NodeWorld, app: NodeApp) -> None:
    world.deliver(world.start("earlyEvents"), time=0)
    world.deliver(raised("E", 1), time=1)
    world.deliver(raised("E", 2), time=2)
    world.deliver(completed(0, 0), time=3)
    lost = [found for found in world.diagnostics if found.code == codes.EARLY_EVENT_LOST]
    if app.version.startswith("3.5"):
        assert world.result == [1, 2]
        assert not world.diagnostics
    else:
        assert f"durable-functions {app.version} keeps only the last" in lost[0].text
        stuck = [found.text for found in world.diagnostics if found.code == codes.CODE_WARNING]
        assert "does not resume the code if an event arrives before the wait for it" in stuck[0]


def test_an_event_that_a_wait_takes_twice_is_reported(world: NodeWorld) -> None:
    world.deliver(world.start("staleWait"), time=0)
    world.deliver(completed(0), time=1)
    world.deliver(raised("Approval", "first"), time=2)
    world.deliver(raised("Approval", "second"), time=3)
    lost = [found for found in world.diagnostics if found.code == codes.EARLY_EVENT_LOST]
    assert [found.event_name for found in lost] == ["Approval"]
    assert "in several Task.any lists" in lost[0].text
    world.deliver(completed(1), time=4)
    world.deliver(completed(2), time=5)
    assert "ExecutionCompleted" not in world.names()
    world.deliver(raised("Approval", "third"), time=6)
    assert world.result == ["second", "third"]


@pytest.mark.differs("node-completed-tasks")
def test_a_task_that_can_never_complete_is_reported(world: NodeWorld) -> None:
    world.deliver(world.start("lateAll"), time=0)
    world.deliver(completed(0, 1), time=1)
    found = [each.text for each in world.diagnostics if each.code == codes.CODE_WARNING]
    assert "waits for a Task.all of tasks that completed before it was created" in found[0]


def test_an_event_that_nothing_took_is_reported(world: NodeWorld) -> None:
    world.deliver(world.start("status"), raised("Unknown", 1), time=0)
    world.deliver(completed(0, 0), time=1)
    assert [found.code for found in world.diagnostics] == [codes.EVENT_NEVER_CONSUMED]


def test_changed_code_is_reported_with_the_line(app: NodeApp) -> None:
    world = NodeWorld(app, mode="cold")
    world.deliver(world.start("approval", {"to": "boss"}), time=0)
    renamed = {"name": "other"}
    world.committed["inst1"] = [
        msgspec.structs.replace(event, **renamed) if isinstance(event, TaskScheduled) else event
        for event in world.committed["inst1"]
    ]
    world.deliver(completed(0, 1), time=1)
    found = next(each for each in world.diagnostics if each.code == codes.NON_DETERMINISM)
    assert found.position is not None
    file, _, line = found.position.partition(" in ")[0].rpartition(":")
    assert file.endswith(ORCHESTRATIONS)
    assert "callActivity('notify'" in FILES[ORCHESTRATIONS].splitlines()[int(line) - 1]


def test_an_app_with_hooks_is_replayed_in_each_episode(
    npm_packages: NpmPackages, tmp_path_factory: pytest.TempPathFactory
) -> None:
    hook = "require('@azure/functions').app.hook.preInvocation(() => {});"
    root = write_node_app(tmp_path_factory.mktemp("app"), {**FILES, "src/functions/hook.js": hook}, npm_packages)
    hooked = NodeApp(root, npm_packages.version("durable-functions"))
    world = NodeWorld(hooked)
    world.messages.append(world.start("fanOut", 3))
    world.play()
    assert world.result == 3
    assert len(world.calls.requests) > 1
    assert all("payload" in request for request in world.calls.requests)
    hooked.close()


@pytest.mark.differs("node-replays")
def test_a_session_logs_once_and_under_the_invocation_of_its_turn(app: NodeApp) -> None:
    world = NodeWorld(app)
    app.ask(op="logged")
    world.messages.append(world.start("status"))
    world.play()
    logged = [entry for entry in app.ask(op="logged") if entry[1] == "in two"]
    assert len(logged) == 1


@pytest.fixture(scope="module")
def described_failures(npm_packages: NpmPackages, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeApp]:
    """An app that gives its errors properties."""
    code = """
const df = require('durable-functions');
df.app.setExceptionPropertiesProvider({ getExceptionProperties: (error) => ({ code: error.code }) });
df.app.activity('fail', { handler: () => { throw Object.assign(new TypeError('bad'), { code: 7 }); } });
df.app.orchestration('main', function* (context) {
  try {
    yield context.df.callActivity('fail');
  } catch (error) {
    const { errorType, errorMessage, properties } = error.failureDetails;
    return [error.name, error.message, errorType, errorMessage, properties];
  }
});
"""
    root = write_node_app(tmp_path_factory.mktemp("app"), {"src/functions/app.js": code}, npm_packages)
    node = NodeApp(root, npm_packages.version("durable-functions"))
    yield node
    node.close()


def test_properties_of_an_error_reach_the_orchestrator(described_failures: NodeApp) -> None:
    world = NodeWorld(described_failures)
    world.messages.append(world.start("main"))
    world.play()
    assert world.result == ["TaskFailedError", "TypeError: bad", "TypeError", "bad", {"code": 7}]
    failed = next(event for event in world.history() if event.event_name == "TaskFailed")
    assert failed.reason == "Activity function 'fail' failed:  bad"


def test_a_bundled_app_is_kept_alive(npm_packages: NpmPackages, tmp_path_factory: pytest.TempPathFactory) -> None:
    source = write_node_app(tmp_path_factory.mktemp("source"), {"app.js": FILES[ORCHESTRATIONS]}, npm_packages)
    target = tmp_path_factory.mktemp("bundle")
    command = ["npx", "--no-install", "esbuild", "app.js", "--bundle", "--platform=node", "--minify-whitespace"]
    subprocess.run(
        [*command, "--external:@azure/functions-core", f"--outfile={target}/dist/app.js"],
        cwd=source,
        check=True,
        capture_output=True,
    )
    (target / "package.json").write_text('{"name": "bundle", "version": "1.0.0", "main": "dist/app.js"}')
    bundle = NodeApp(target, "")
    world = NodeWorld(bundle)
    world.messages.append(world.start("fanOut", 3))
    world.play()
    assert world.result == 3
    assert [request for request in world.calls.requests if "events" in request]
    bundle.close()

"""What the dashboard shows of instances whose code runs in this process, and what it does with them."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from app_dashboard import APP, AppDashboard, app_dashboard, of, write_app
from other_pytest import run_pytest
from v2_environment import v2_interpreter

pytestmark = pytest.mark.process

DAY = 24 * 3600


@pytest.fixture(scope="module", params=["v1", "v2"])
def python(request: pytest.FixtureRequest) -> Path | None:
    """The interpreter with an SDK."""
    return v2_interpreter() if request.param == "v2" else None


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, python: Path | None) -> Iterator[AppDashboard]:
    with app_dashboard(write_app(tmp_path_factory.mktemp("app")), python) as dashboard:
        yield dashboard


@pytest.fixture(scope="module")
def waiting(app: AppDashboard) -> str:
    """An instance that waits for its event."""
    instance_id = app.host.start("order", instance_id="waiting <b>%2F ü")
    app.host.advance(days=1, seconds=1)
    return instance_id


def line_of(text: str) -> int:
    return next(number for number, line in enumerate(APP.splitlines(), 1) if text in line)


def test_a_waiting_instance_names_the_event_and_the_line(app: AppDashboard, waiting: str) -> None:
    shown = app.get(of(waiting))
    assert shown["waitsAreKnown"]
    (wait,) = shown["waits"]
    text = 'answer = yield context.wait_for_external_event("Approval")'
    assert (wait["kind"], wait["name"], wait["due"]) == ("event", "Approval", None)
    assert shown["source"] == {"file": "function_app.py", "line": line_of(text), "function": "decision", "text": text}
    assert (shown["id"], shown["name"], shown["status"]) == (waiting, "order", "Running")


def test_a_look_at_an_instance_neither_logs_nor_changes_anything(app: AppDashboard, waiting: str) -> None:
    before = app.host.history(waiting), app.get(of(waiting, "logs"))
    app.get(of(waiting))
    app.get(of(waiting, "ledger"))
    app.call("POST", of(waiting, "replay"))
    assert (app.host.history(waiting), app.get(of(waiting, "logs"))) == before


def test_the_chart_has_the_wait_and_the_timer(app: AppDashboard, waiting: str) -> None:
    bars = {bar["kind"]: bar for bar in app.get(of(waiting, "timeline"))["bars"]}
    assert (bars["timer"]["status"], bars["timer"]["durationMs"] // 60_000) == ("Completed", DAY // 60)
    assert (bars["event"]["name"], bars["event"]["status"], bars["event"]["end"]) == ("Approval", "Running", None)
    assert bars["event"]["place"].endswith("in decision")


def test_events_that_came_too_early_are_in_the_ledger(app: AppDashboard) -> None:
    instance_id = app.host.start("order")
    app.host.raise_event(instance_id, "Approval", "yes")
    (early,) = app.get(of(instance_id, "ledger"))["events"]
    assert (early["fate"], early["data"], early["wait"]) == ("buffered", '"yes"', None)
    app.host.advance(days=1, seconds=1)
    (taken,) = app.get(of(instance_id, "ledger"))["events"]
    assert (taken["fate"], taken["wait"]["name"]) == ("taken", "Approval")
    assert taken["wait"]["place"].endswith("in decision")


def test_an_event_after_the_end_is_dropped(app: AppDashboard) -> None:
    instance_id = app.host.start("order")
    app.host.terminate(instance_id)
    running = app.host._running
    running.run(running.app.client.send_event(instance_id, "Approval", "1"))
    running.settle()
    late = app.get(of(instance_id, "ledger"))["events"][-1]
    assert (late["name"], late["fate"]) == ("Approval", "dropped")
    assert "Terminated" in late["note"]


def test_a_failure_leads_to_its_source_line(app: AppDashboard) -> None:
    instance_id = app.host.start("order")
    app.host.raise_event(instance_id, "Approval", "raise")
    app.host.advance(days=1, seconds=1)
    shown = app.get(of(instance_id))
    assert (shown["status"], shown["failure"]["message"]) == ("Failed", "a wrong answer")
    assert shown["failure"]["type"].endswith("ValueError")
    line = line_of("raise ValueError")
    assert (shown["source"]["line"], shown["source"]["function"]) == (line, "order")
    assert shown["failure"]["frames"][-1]["text"] == 'raise ValueError("a wrong answer")'
    assert shown["waits"] == []


def test_the_failure_of_an_activity_leads_to_its_line(app: AppDashboard) -> None:
    instance_id = app.host.start("order")
    app.host.raise_event(instance_id, "Approval", "fail")
    app.host.advance(days=1, seconds=1)
    cause = app.get(of(instance_id))["failure"]["inner"]
    assert (cause["type"].rpartition(".")[2], cause["message"]) == ("RuntimeError", "no luck")
    assert cause["frames"][-1]["line"] == line_of("raise RuntimeError")


def test_a_timer_fires_now_and_not_again_when_it_is_due(app: AppDashboard) -> None:
    instance_id = app.host.start("order")
    (wait,) = app.get(of(instance_id))["waits"]
    status, fired = app.call("POST", of(instance_id, "fire-timer"), {})
    assert (status, fired) == (200, {"taskId": wait["taskId"], "due": wait["due"]})
    app.host.advance(seconds=1)
    assert [one["name"] for one in app.get(of(instance_id))["waits"]] == ["Approval"]
    app.host.advance(days=2)
    kinds = [event["type"] for event in app.get(of(instance_id, "history"))["events"]]
    assert kinds.count("TimerFired") == 1
    assert app.call("POST", of(instance_id, "fire-timer"), {})[1]["error"]["code"] == "DH3057"
    app.host.raise_event(instance_id, "Approval", "yes")
    assert app.host.status(instance_id).status == "Completed"
    assert app.call("POST", of(instance_id, "fire-timer"), {})[0] == 410


def test_a_timer_that_does_not_exist_cannot_be_fired(app: AppDashboard) -> None:
    instance_id = app.host.start("order")
    assert app.call("POST", of(instance_id, "fire-timer"), {"taskId": 77})[0] == 409
    assert app.call("POST", of("nobody", "fire-timer"), {})[0] == 404


def test_a_part_of_a_long_timer_is_not_fired(app: AppDashboard) -> None:
    """The SDK would wait for the rest of the time."""
    instance_id = app.host.start("long_wait")
    status, answer = app.call("POST", of(instance_id, "fire-timer"), {})
    assert (status, answer["error"]["code"]) == (409, "DH3057")


def test_a_call_that_is_retried_waits_for_its_next_attempt(app: AppDashboard) -> None:
    shown = app.get(of(app.host.start("retries")))
    waits = {wait["name"]: wait for wait in shown["waits"]}
    assert waits["retry of broken"]["attempt"] == 2
    assert waits["timer"]["due"].startswith("2024-")


def test_parents_and_children_name_each_other(app: AppDashboard) -> None:
    parent = app.host.start("parent", instance_id="p1")
    (child,) = app.get(of(parent))["children"]
    assert (child["id"], child["name"], child["status"]) == ("child of p1", "order", "Running")
    assert app.get(of(child["id"]))["parent"] == {"id": "p1", "name": "parent"}
    (wait,) = app.get(of(parent))["waits"]
    assert (wait["kind"], wait["instanceId"]) == ("child", "child of p1")


def test_the_form_for_an_event_has_the_last_data_of_that_event(app: AppDashboard, waiting: str) -> None:
    other = app.host.start("order")
    app.host.raise_event(other, "Approval", {"by": "Zoe"})
    app.get(of(other))
    assert app.get(of(waiting))["lastEventData"]["Approval"] == '{"by": "Zoe"}'


def test_the_form_for_an_event_has_the_data_that_an_earlier_instance_got(tmp_path: Path) -> None:
    with app_dashboard(write_app(tmp_path / "app")) as fresh:
        ids = [fresh.host.start("order") for _ in range(2)]
        fresh.host.advance(days=1, seconds=1)
        fresh.host.raise_event(ids[0], "Approval", "from before")
        assert fresh.get(of(ids[1]))["lastEventData"] == {"Approval": '"from before"'}


def test_the_log_of_an_instance_has_its_activities_without_secrets(app: AppDashboard, waiting: str) -> None:
    logs = app.get(of(waiting, "logs"))
    texts = [line["text"] for line in logs["lines"]]
    assert any("an order runs" in text for text in texts)
    (reserved,) = [line for line in logs["lines"] if "reserved with" in line["text"]]
    assert "hunter2" not in reserved["text"]
    assert (reserved["function"], reserved["level"]) == ("reserve", "Information")
    assert reserved["invocationId"]
    assert logs["isComplete"]
    assert not app.get(of(waiting, "logs"), top="1")["isComplete"]


def test_a_replay_with_the_same_code_is_the_same(app: AppDashboard, waiting: str) -> None:
    answer = app.call("POST", of(waiting, "replay"))[1]
    assert (answer["isSame"], answer["difference"]) == (True, None)
    assert answer["events"] == app.get(of(waiting))["historyCount"]


RESERVE = 'call_activity("reserve"'
TIMER = "create_timer(context.current_utc_datetime)"
CHANGES = {
    "another activity": (RESERVE, 'call_activity("broken"'),
    "a timer before": (f"yield context.{RESERVE}", f"yield context.{TIMER}; yield context.{RESERVE}"),
    "no wait": ("answer = yield from decision(context)", "return 1"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_replay_on_changed_code_reports_the_first_difference(
    app: AppDashboard, python: Path | None, tmp_path: Path, change: str
) -> None:
    before, after = CHANGES[change]
    name = f"changed: {change}"
    history = app.host.history(app.host.start("order", instance_id=name))
    folder = write_app(tmp_path / "app", APP.replace(before, after))
    with app_dashboard(folder, python) as other:
        other.host.start("order", instance_id=name)
        other.give_history(history)
        answer = other.call("POST", of(name, "replay"))[1]
    if change == "no wait":
        assert answer == {"isSame": True, "events": len(history), "difference": None}
        return
    assert not answer["isSame"]
    assert "differs from its history" in answer["difference"]["text"]
    number = 0 if python is None else 1
    difference = answer["difference"]
    assert (difference["ordinal"], difference["expected"]) == (2, f"TaskScheduled {number} of 'reserve'")
    assert "function_app.py" in difference["position"]
    assert difference["actual"]


def test_an_exported_test_passes_with_the_app_and_fails_with_other_code(
    app: AppDashboard, waiting: str, python: Path | None, tmp_path: Path
) -> None:
    files = app.get(of(waiting, "export"))["files"]
    folder = write_app(tmp_path / "app")
    for name, text in files.items():
        path = folder / "tests" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    if python is not None:
        (folder / ".venv").symlink_to(python.parent.parent)

    def run() -> subprocess.CompletedProcess[str]:
        return run_pytest("-q", str(folder / "tests"), folder=folder)

    passed = run()
    assert passed.returncode == 0, passed.stdout + passed.stderr
    assert "1 passed" in passed.stdout
    write_app(folder, APP.replace('call_activity("reserve"', 'call_activity("broken"'))
    assert "differs from its history" in run().stdout


def test_two_instances_are_compared_step_by_step(app: AppDashboard) -> None:
    one, other = app.host.start("order", instance_id="one"), app.host.start("order", instance_id="other")
    for instance_id, answer in ((one, "yes"), (other, "no")):
        app.host.raise_event(instance_id, "Approval", answer)
    app.host.advance(days=1, seconds=1)
    compared = app.get("/compare", a=one, b=other)
    step = compared["steps"][compared["firstDifference"]]
    assert (step["a"]["kind"], step["a"]["name"], step["difference"]) == ("event", "Approval", "The inputs differ.")
    assert app.get("/compare", a=one, b=one)["firstDifference"] is None
    assert app.call("GET", "/compare?a=one&b=nobody")[0] == 404


def test_entities_have_state_lock_and_waiting_operations(app: AppDashboard, python: Path | None) -> None:
    app.host.signal_entity("counter", "k", "add", 3)
    (entity,) = app.get("/entities", name="counter")["entities"]
    assert (entity["id"], json.loads(entity["state"]), entity["lockedBy"]) == ("@counter@k", 3, None)
    assert app.get("/entities/counter/k")["operations"] == []
    assert app.get("/entities", prefix="@counter@x")["entities"] == []
    assert app.call("GET", "/entities/counter/nothing")[0] == 404


def test_an_instance_that_does_not_exist_is_404(app: AppDashboard) -> None:
    for part in ("", "/history", "/timeline", "/ledger", "/logs", "/export"):
        status, answer = app.call("GET", of("nobody") + part)
        assert (status, answer["error"]["code"]) == (404, "DH6302")
    assert app.call("POST", of("nobody", "replay"))[0] == 404

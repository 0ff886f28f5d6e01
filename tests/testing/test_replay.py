"""Saved histories replayed with the current orchestrator."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from durable_host.testing import ReplayFailed, VirtualHost, assert_replays
from durable_host.testing.chosen_app import CHOSEN_APP

APP = """
from datetime import timedelta

import azure.durable_functions as df

app = df.DFApp()


@app.orchestration_trigger(context_name="context")
def order(context: df.DurableOrchestrationContext):
    retry = df.RetryOptions(first_retry_interval_in_milliseconds=60_000, max_number_of_attempts=2)
    yield context.call_activity("reserve", "a")
    prices = yield context.task_all([context.call_activity("price", n) for n in range(3)])
    yield context.call_sub_orchestrator("ship", "a")
    yield context.create_timer(context.current_utc_datetime + timedelta(hours=1))
    decision = yield context.wait_for_external_event("Approval")
    if decision == "fail":
        yield context.call_activity_with_retry("broken", retry, "a")
    return [sum(prices), decision]


@app.orchestration_trigger(context_name="context")
def ship(context: df.DurableOrchestrationContext):
    return "shipped"


@app.activity_trigger(input_name="item")
def reserve(item: str) -> str:
    return item


@app.activity_trigger(input_name="item")
def price(item: int) -> int:
    return item


@app.activity_trigger(input_name="item")
def broken(item: str) -> str:
    raise RuntimeError("broken")
"""
Histories = dict[str, list[dict]]


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    def make(code: str) -> Path:
        root = tmp_path_factory.mktemp("app")
        (root / "function_app.py").write_text(code)
        (root / "host.json").write_text('{"version": "2.0"}')
        return root

    return make


@pytest.fixture(scope="module")
def host(make: Callable[[str], Path]) -> Iterator[VirtualHost]:
    with VirtualHost(make(APP)) as host:
        yield host


@pytest.fixture(scope="module")
def histories(host: VirtualHost) -> Histories:
    """Of instances in different states."""
    ids = {name: host.start("order") for name in ("waits", "completed", "failed", "terminated")}
    ids["asleep"] = host.start("order")
    asleep = host.history(ids["asleep"])
    host.advance(hours=1)
    host.raise_event(ids["completed"], "Approval", "yes")
    host.raise_event(ids["failed"], "Approval", "fail")
    host.terminate(ids["terminated"], "enough")
    assert host.wait(ids["failed"]).status == "Failed"
    return {"asleep": asleep, **{name: host.history(ids[name]) for name in ids if name != "asleep"}}


NAMES = ["asleep", "waits", "completed", "failed", "terminated"]


@pytest.mark.parametrize("name", NAMES)
def test_histories_of_the_same_code_replay(host: VirtualHost, histories: Histories, name: str) -> None:
    host.replay(histories[name])


def test_a_history_may_come_from_a_file(host: VirtualHost, histories: Histories, tmp_path: Path) -> None:
    file = tmp_path / "history.json"
    file.write_text(json.dumps(histories["completed"]))
    host.replay(file)
    host.replay(str(file))


def test_a_change_behind_all_that_happened_does_not_matter(make: Callable[[str], Path], histories: Histories) -> None:
    later = APP.replace("return [sum(prices), decision]", 'return (yield context.call_activity("reserve", "b"))')
    with VirtualHost(make(later)) as host:
        host.replay(histories["waits"])
        host.replay(histories["asleep"])
        with pytest.raises(ReplayFailed, match=r"ended as Completed; the code now waits at .*function_app\.py:\d+"):
            host.replay(histories["completed"])


def test_another_activity_another_order_and_a_gone_orchestrator_are_reported(
    make: Callable[[str], Path], histories: Histories
) -> None:
    changed = APP.replace('call_activity("reserve", "a")', 'call_activity("price", 1)')
    with VirtualHost(make(changed)) as host, pytest.raises(ReplayFailed, match=r"named 'reserve'.*named 'price'"):
        host.replay(histories["waits"])
    gone = APP.replace("def order(", "def orders(")
    with VirtualHost(make(gone)) as host, pytest.raises(ReplayFailed, match="order"):
        host.replay(histories["waits"])


@pytest.mark.parametrize("name", ["waits", "completed"])
def test_code_that_ends_early_is_reported(make: Callable[[str], Path], histories: Histories, name: str) -> None:
    early = APP.replace('yield context.call_sub_orchestrator("ship", "a")', "return 1")
    with VirtualHost(make(early)) as host, pytest.raises(ReplayFailed, match="sub-orchestration"):
        host.replay(histories[name])


def test_code_that_fails_now_is_reported(make: Callable[[str], Path], histories: Histories) -> None:
    failing = APP.replace("return [sum(prices), decision]", "return prices.nothing")
    with VirtualHost(make(failing)) as host, pytest.raises(ReplayFailed, match=r"Completed, now as Failed.*nothing"):
        host.replay(histories["completed"])


@pytest.mark.parametrize("document", [[], [{}], [5], [{"EventType": "OrchestratorStarted"}]])
def test_what_is_not_a_history_is_refused(host: VirtualHost, document: list[dict]) -> None:
    with pytest.raises(ValueError, match=r"history"):
        host.replay(document)


def test_a_history_ordered_by_time_is_refused(host: VirtualHost, histories: Histories) -> None:
    with pytest.raises(ValueError, match="--as-stored"):
        host.replay(sorted(histories["completed"], key=lambda event: event["Timestamp"])[1:])


def saved(folder: Path, histories: Histories) -> Path:
    """The folder `histories` in `folder`, with a file for each history."""
    (folder / "histories").mkdir(parents=True)
    for name, history in histories.items():
        (folder / "histories" / f"{name}.json").write_text(json.dumps(history))
    return folder / "histories"


def test_all_files_of_a_pattern_are_replayed_in_the_current_folder(
    host: VirtualHost, histories: Histories, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = saved(tmp_path, histories)
    monkeypatch.chdir(tmp_path)
    assert [file.stem for file in assert_replays("histories/*.json", app=host)] == sorted(histories)
    assert assert_replays(folder / "w*.json", "**/asleep.json", app=host) == [
        folder / "waits.json",
        folder / "asleep.json",
    ]


def test_the_name_of_a_file_may_contain_brackets(host: VirtualHost, histories: Histories, tmp_path: Path) -> None:
    folder = saved(tmp_path / "shop [old]", {"waits": histories["waits"]})
    assert assert_replays(folder / "waits.json", app=host) == [folder / "waits.json"]


def test_a_pattern_is_looked_up_next_to_the_calling_file_first(
    host: VirtualHost, histories: Histories, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = saved(tmp_path, {"waits": histories["waits"]}) / "waits.json"
    caller = {"__file__": str(tmp_path / "test_order.py"), "assert_replays": assert_replays, "host": host}
    exec("found = assert_replays('histories/*.json', app=host)", caller)
    assert caller["found"] == [file]


def test_without_pytest_the_app_is_the_one_above_the_calling_file(
    make: Callable[[str], Path], histories: Histories, tmp_path: Path
) -> None:
    root = make(APP.replace('call_activity("reserve", "a")', 'call_activity("price", 1)'))
    saved(root, {"waits": histories["waits"]})
    caller = {"__file__": str(root / "test_order.py"), "assert_replays": assert_replays}
    without_pytest = CHOSEN_APP.set(None)
    with pytest.raises(AssertionError, match=r"named 'reserve'.*named 'price'"):
        exec("assert_replays('histories/waits.json')", caller)
    CHOSEN_APP.reset(without_pytest)


def test_each_file_that_does_not_replay_is_reported(host: VirtualHost, histories: Histories, tmp_path: Path) -> None:
    folder = saved(tmp_path, histories)
    (folder / "broken.json").write_text("[")
    (folder / "no-history.json").write_text("{}")
    other = json.loads((folder / "waits.json").read_text().replace('"reserve"', '"price"'))
    (folder / "other.json").write_text(json.dumps(other))
    with pytest.raises(AssertionError) as failure:
        assert_replays(folder / "*.json", app=host)
    text = str(failure.value)
    assert text.startswith("3 of 8 histories do not replay with the current code.")
    assert re.search(r"broken\.json\nThis is not a JSON file: .*\n\n.*no-history\.json\nThis is not a history: ", text)
    assert re.search(r"other\.json\n.*differs from its history", text)
    assert "waits.json" not in text


def test_a_pattern_that_matches_nothing_is_a_failure(host: VirtualHost, tmp_path: Path) -> None:
    (tmp_path / "folder.json").mkdir()
    for pattern in ("nothing/*.json", tmp_path / "*.json"):
        with pytest.raises(AssertionError, match=r"No file matches .*nothing was replayed"):
            assert_replays(pattern, app=host)
    with pytest.raises(TypeError, match="at least one"):
        assert_replays(app=host)

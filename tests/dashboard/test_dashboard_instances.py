"""What the dashboard shows of instances in a hub whose app does not run in this process."""

from collections.abc import Sequence
from urllib.parse import quote

import msgspec
import pytest
from dashboard_world import DashboardWorld, dashboard_world
from recorded_histories import recorded

from durable_host.dashboard.source_lines import CodePlace, SourceLines
from durable_host.durable.model.events import (
    ExecutionCompleted,
    ExecutionStarted,
    HistoryEvent,
    OrchestrationInstance,
    TimerCreated,
    TimerFired,
)
from durable_host.durable.model.instance import InstanceUpdate
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.taskhub.port import EpisodeCommit

ODD_IDS = ["plain", "<script>alert(1)</script>"[:20], "ü☃ %2F +&=", "a'b\"c", "@not-an-entity", "x" * 200]


async def record(world: DashboardWorld, instance_id: str, events: Sequence[HistoryEvent]) -> None:
    """Write an instance with this history, as a commit does."""
    started = next(event for event in events if isinstance(event, ExecutionStarted))
    target = OrchestrationInstance(instance_id, "e1")
    started = msgspec.structs.replace(started, orchestration_instance=target)
    own = [started if isinstance(event, ExecutionStarted) else event for event in events]
    end = next((event for event in own if isinstance(event, ExecutionCompleted)), None)
    await world.hub.create_instance(TaskMessage(started, target), dedupe_statuses=frozenset())
    await world.hub.commit(
        EpisodeCommit(
            instance_id=instance_id,
            execution_id="e1",
            checkpoint=None,
            first_ordinal=0,
            events=own,
            outbound=(),
            update=InstanceUpdate(
                execution_id="e1",
                last_updated_time=events[-1].timestamp,
                started=started,
                runtime_status=OrchestrationStatus.Running if end is None else end.orchestration_status,
                output=None if end is None else end.result,
            ),
            consumed=(),
        )
    )


def of(instance_id: str, *parts: str) -> str:
    return "/".join(["/instances", quote(instance_id, safe=""), *parts])


async def test_an_instance_without_its_code(world: DashboardWorld) -> None:
    events = recorded("v1", "waits")
    await record(world, "i", events)
    shown = (await world.get(of("i"))).json
    assert (shown["name"], shown["status"], shown["historyCount"]) == ("order", "Running", len(events))
    assert (shown["waitsAreKnown"], shown["source"], shown["failure"]) == (False, None, None)
    assert [wait["kind"] for wait in shown["waits"]] == ["timer"]
    assert [child["name"] for child in shown["children"]] == ["ship"]
    history = (await world.get(of("i", "history"), top="10")).json
    assert (len(history["events"]), history["next"]) == (10, 9)
    rest = (await world.get(of("i", "history"), after="9")).json
    assert len(rest["events"]) == len(events) - 10
    assert {event["fate"] for event in (await world.get(of("i", "ledger"))).json["events"]} == {"unknown"}
    timeline = (await world.get(of("i", "timeline"))).json
    assert (timeline["end"], timeline["suspended"]) == (None, [])
    assert len(timeline["bars"]) > 10
    assert len(timeline["messages"]) > 10
    assert (await world.get(of("i", "logs"))).json == {"lines": [], "isComplete": False}


async def test_a_failed_instance_shows_the_frames_of_its_activity(world: DashboardWorld) -> None:
    await record(world, "i", recorded("v1", "failed"))
    failure = (await world.get(of("i"))).json["failure"]
    assert (failure["type"], failure["message"], failure["frames"]) == ("RuntimeError", "broken", [])
    (frame,) = failure["inner"]["frames"]
    assert (frame["file"], frame["function"], frame["text"]) == (
        "/app/function_app.py",
        "broken",
        'raise RuntimeError("broken")',
    )


@pytest.mark.parametrize("instance_id", ODD_IDS)
async def test_ids_may_have_odd_characters(small: DashboardWorld, instance_id: str) -> None:
    await record(small, instance_id, recorded("v2", "failed"))
    assert (await small.get(of(instance_id))).json["id"] == instance_id
    for part in ("history", "timeline", "ledger", "logs"):
        assert (await small.get(of(instance_id, part))).status == 200
    if not instance_id.startswith("@"):
        files = (await small.get(of(instance_id, "export"))).json["files"]
        names = sorted(files)
        assert all(name.isascii() and " " not in name and "<" not in name for name in names)
        compile(files[names[1]], names[1], "exec")


async def test_an_instance_that_has_not_begun(small: DashboardWorld) -> None:
    target = OrchestrationInstance("i", "e1")
    start = ExecutionStarted(orchestration_instance=target, name="O", timestamp=small.clock.now(), input='"x"')
    await small.hub.create_instance(TaskMessage(start, target), dedupe_statuses=frozenset())
    shown = (await small.get(of("i"))).json
    assert (shown["status"], shown["historyCount"], shown["input"]) == ("Pending", 0, '"x"')
    assert (await small.get(of("i", "timeline"))).json["start"] is None
    assert (await small.get(of("i", "history"))).json == {"events": [], "next": None}
    assert (await small.get(of("i", "export"))).status == 409
    assert (await small.do("POST", of("i", "fire-timer"), {})).code == "DH3057"


async def test_a_replay_needs_the_app(small: DashboardWorld) -> None:
    await record(small, "i", recorded("v1", "waits"))
    assert (await small.do("POST", of("i", "replay"))).code == "DH3055"


async def test_a_read_only_dashboard_fires_no_timer() -> None:
    async with dashboard_world(":memory:", is_read_only=True) as world:
        await record(world, "i", recorded("v1", "waits"))
        assert (await world.do("POST", of("i", "fire-timer"), {})).code == "DH3052"


async def test_timers_of_other_accounts_cannot_be_fired(small: DashboardWorld) -> None:
    await record(small, "i", recorded("v1", "waits"))
    small.source = msgspec.structs.replace(small.source, storage="azure", is_development=False)
    small.dashboard.context.sources = msgspec.structs.replace(small.dashboard.context.sources, hub=lambda: small.source)
    assert (await small.do("POST", of("i", "fire-timer"), {})).code == "DH3055"


async def test_a_client_of_a_hub_fires_a_timer_only_where_it_can_be_delivered(world: DashboardWorld) -> None:
    events = recorded("v1", "waits")
    await record(world, "i", events)
    timer = [event for event in events if isinstance(event, TimerCreated)][-1]
    target = OrchestrationInstance("i", "e1")
    fired = TimerFired(timer_id=timer.event_id, fire_at=world.clock.now() + 10**12, timestamp=timer.timestamp)
    await world.hub.send(TaskMessage(fired, target, target))
    answer = await world.do("POST", of("i", "fire-timer"), {})
    if world.source.storage == "azure":
        assert answer.code == "DH3057"
        return
    assert answer.json["taskId"] == timer.event_id
    assert (await world.do("POST", of("i", "fire-timer"), {})).code == "DH3057"


async def test_long_texts_are_cut_unless_all_is_wanted(small: DashboardWorld) -> None:
    events = list(recorded("v1", "waits"))
    started = next(index for index, event in enumerate(events) if isinstance(event, ExecutionStarted))
    events[started] = msgspec.structs.replace(events[started], input='"' + "x" * 100_000 + '"')
    await record(small, "i", events)
    cut = (await small.get(of("i"))).json
    assert (len(cut["input"]), cut["inputIsTruncated"]) == (65_536, True)
    assert len((await small.get(of("i"), full="true")).json["input"]) == 100_002


QUERIES = ["top=0", "top=x", "after=-2", "none=1", "full=maybe"]


@pytest.mark.parametrize("query", QUERIES)
async def test_a_wrong_parameter_is_400(small: DashboardWorld, query: str) -> None:
    name, value = query.split("=")
    assert (await small.get(of("i", "history"), **{name: value})).code == "DH3053"


def test_only_sources_below_the_folder_of_the_app_are_read(tmp_path) -> None:
    root = tmp_path / "app"
    root.mkdir()
    (root / "function_app.py").write_text("import os\n    x = 1\n")
    (root / "local.settings.json").write_text("secret\n")
    (tmp_path / "other.py").write_text("outside\n")
    (root / "link.py").symlink_to(tmp_path / "other.py")
    lines = SourceLines(root)
    assert lines.place(f"{root}/function_app.py:2 in f") == CodePlace("function_app.py", 2, "f", "x = 1")
    assert lines.line("function_app.py", 1) == "import os"
    for file, line in [
        ("local.settings.json", 1),
        ("../other.py", 1),
        (str(tmp_path / "other.py"), 1),
        ("link.py", 1),
        ("function_app.py", 0),
        ("function_app.py", 99),
        ("none.py", 1),
        ("\0", 1),
    ]:
        assert lines.line(file, line) is None
    assert lines.place("no position") is None
    assert SourceLines(None).line("function_app.py", 1) is None

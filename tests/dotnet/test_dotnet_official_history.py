"""Histories that the official backend wrote for workers on DurableTask.Core continue in a .NET app."""

from pathlib import Path
from typing import Any

import msgspec
from core_world import CoreApp
from runtime_world import World, hosts_on

from durable_host.durable.model.events import TaskCompleted
from durable_host.durable.model.instance import InstanceUpdate
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.taskhub.port import EpisodeCommit


def waiting(context: Any) -> Any:
    first = yield context.activity("echo", context.input)
    return [first, (yield context.event("Go"))]


async def test_an_instance_of_the_official_backend_continues(tmp_path: Path) -> None:
    app: Any = CoreApp({"waiting": waiting}, {"echo": lambda value: value})
    async with hosts_on(tmp_path / "hub.db") as hosts:
        host = await hosts.start(app)
        await host.client.start("waiting", instance_id="i1", input='"5"')
        await host.until(lambda: any(_has_result(commit) for commit in host.hub.commits))
        await _write_as_officially(host)
        await host.crash()
        app.requests.clear()
        host = await hosts.start(app)
        await host.client.raise_event("i1", "Go", '"go"')
        assert await host.output("i1") == ["5", "go"]
    (request,) = app.requests
    begun = request.pastEvents[1].executionStarted
    assert begun.input.value == '"5"', "a text is not taken for JSON that was encoded twice"
    assert request.pastEvents[0].timestamp.nanos % 1000 == 700, "identifiers of .NET code depend on every digit"


def _has_result(commit: EpisodeCommit) -> bool:
    return any(isinstance(event, TaskCompleted) for event in commit.events)


async def _write_as_officially(host: World) -> None:
    """Mark all rows as played, with times that have seven digits."""
    loaded = await host.hub.load_history("i1")
    events = [
        msgspec.structs.replace(event, is_played=True, timestamp=event.timestamp // 10 * 10 + 7)
        for event in loaded.events
    ]
    execution_id = host.hub.commits[-1].execution_id
    await host.hub.commit(
        EpisodeCommit(
            instance_id="i1",
            execution_id=execution_id,
            checkpoint=loaded.checkpoint,
            first_ordinal=0,
            events=events,
            outbound=(),
            update=InstanceUpdate(
                execution_id=execution_id, last_updated_time=1, runtime_status=OrchestrationStatus.Running
            ),
            consumed=(),
            expected_row=await host.hub.get_instance("i1"),
        )
    )

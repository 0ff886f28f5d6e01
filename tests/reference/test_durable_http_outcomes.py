"""Outcomes of instances compared with extension 3.19.0, rows 32 and 33. Both stay different."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from runtime_world import App, Hosts, hosts_on, runtime_options

from durable_host.durable.model.status import OrchestrationStatus


@pytest.fixture
async def hosts(tmp_path: Path) -> AsyncIterator[Hosts]:
    async with hosts_on(tmp_path / "hub.db") as hosts:
        yield hosts


def plain(context):
    raise ValueError("plain")


def unprintable(context):
    yield context.create_timer(context.current_utc_datetime)
    return {1, 2}


@pytest.mark.differs("rejected-versions")
async def test_an_instance_of_a_version_that_runs_nowhere_is_terminated(hosts: Hosts) -> None:
    """durable-http 32: stays different. The extension terminates it after minutes."""
    app = App()
    app.orchestrator(plain)
    world = await hosts.start(app, options=runtime_options(default_version="1.0", version_match_strategy="Strict"))
    await world.client.start("plain", instance_id="i", version="9.0")
    await world.client.terminate("i", "no host")
    assert (await world.result("i")).runtime_status is OrchestrationStatus.Terminated


@pytest.mark.differs("failure-texts")
@pytest.mark.parametrize(
    ("function", "output"),
    [
        (plain, "Orchestrator function 'plain' failed: ValueError: plain"),
        (unprintable, "Orchestrator function 'unprintable' failed: Object of type set is not JSON serializable"),
    ],
)
async def test_failures_have_the_short_text(hosts: Hosts, function, output: str) -> None:
    """durable-http 33: stays different. The extension wraps it: `One or more errors occurred. (Result: Failure…)`."""
    app = App()
    app.orchestrator(function)
    world = await hosts.start(app)
    await world.start(function.__name__, "i")
    assert (await world.result("i")).output == output

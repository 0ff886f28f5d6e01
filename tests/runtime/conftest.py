from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from runtime_world import App, Hosts, hosts_on

from durable_host.testing import VirtualClock


@pytest.fixture
async def hosts(tmp_path: Path) -> AsyncIterator[Hosts]:
    async with hosts_on(tmp_path / "hub.db") as hosts:
        yield hosts


@pytest.fixture
async def virtual_hosts(tmp_path: Path) -> AsyncIterator[Hosts]:
    """Hosts in virtual time, for work that is retried after seconds."""
    clock = VirtualClock()
    async with clock.auto_advance(), hosts_on(tmp_path / "hub.db", clock) as hosts:
        yield hosts


@pytest.fixture
def app() -> App:
    """An app with the functions that most tests use."""
    app = App()

    @app.activity
    def hello(name: str) -> str:
        return f"Hello {name}"

    @app.orchestrator
    def chain(context):
        results = []
        for name in context.get_input() or ["Tokyo", "Seattle"]:
            results.append((yield context.call_activity("hello", name)))
        return results

    @app.orchestrator
    def fan_out(context):
        tasks = [context.call_activity("hello", str(number)) for number in range(context.get_input())]
        return len((yield context.task_all(tasks)))

    @app.orchestrator
    def approval(context):
        context.set_custom_status("waiting")
        return (yield context.wait_for_external_event("Approval"))

    return app

from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

import pytest
from runtime_world import App
from sidecar_world import Sidecar, running_sidecar
from workers_world import Workers, serving_workers


@pytest.fixture
async def sidecar(app: App, tmp_path: Path) -> AsyncIterator[Sidecar]:
    async with running_sidecar(app, tmp_path / "hub.db") as sidecar:
        yield sidecar


@pytest.fixture(scope="session")
def stops() -> Iterator[Executor]:
    """Threads in which workers of the SDK end while other tests run."""
    with ThreadPoolExecutor(20, "stop a worker") as stops:
        yield stops


@pytest.fixture
async def workers(tmp_path: Path, stops: Executor) -> AsyncIterator[Workers]:
    async with serving_workers(tmp_path / "hub.db", stops) as workers:
        yield workers


@pytest.fixture
def app() -> App:
    """An app of the 1.x SDK."""
    app = App()

    @app.activity
    def hello(name: str) -> str:
        return f"Hello {name}"

    @app.activity
    def fail(text: str) -> str:
        raise ValueError(text)

    @app.orchestrator
    def greet(context):
        return (yield context.call_activity("hello", "you"))

    @app.orchestrator
    def echo(context):
        context.set_custom_status({"step": 1})
        return context.get_input()

    @app.orchestrator
    def approval(context):
        return (yield context.wait_for_external_event("Approval"))

    @app.orchestrator
    def chain(context):
        return (yield context.wait_for_external_event("Never"))

    @app.orchestrator
    def failing(context):
        return (yield context.call_activity("fail", "boom"))

    @app.orchestrator
    def parent(context):
        return (yield context.call_sub_orchestrator("approval", None, f"{context.instance_id}-child"))

    @app.entity
    def counter(context):
        if context.operation_name == "delete":
            context.destruct_on_exit()
            return
        context.set_state((context.get_state(lambda: 0) or 0) + (context.get_input() or 0))

    return app

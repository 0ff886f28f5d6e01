"""An app in virtual time, through the API of tests: real worker process, real SDK, everything else in memory."""

from collections.abc import Iterator

import pytest

from durable_host.testing import FunctionApp

APP = """
from datetime import timedelta

import azure.functions as func
import azure.durable_functions as df

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.orchestration_trigger(context_name="context")
def approval(context: df.DurableOrchestrationContext):
    approved = context.wait_for_external_event("Approval")
    expired = context.create_timer(context.current_utc_datetime + timedelta(days=3))
    first = yield context.task_any([approved, expired])
    if first == expired:
        return "expired"
    expired.cancel()
    return approved.result
"""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FunctionApp]:
    root = tmp_path_factory.mktemp("app")
    (root / "function_app.py").write_text(APP)
    (root / "host.json").write_text('{"version": "2.0"}')
    with FunctionApp(root) as app:
        yield app


@pytest.fixture
def app(loaded: FunctionApp) -> FunctionApp:
    return loaded.reset()


def test_an_event_continues_an_instance(app: FunctionApp) -> None:
    instance = app.start("approval").wait_until(waiting_for="Approval")
    assert instance.raise_event("Approval", "granted").output == "granted"


async def test_every_result_may_be_awaited(app: FunctionApp) -> None:
    instance = await app.start("approval")
    await app.advance(days=3)
    assert (await instance.wait()).output == "expired"


def test_each_test_begins_with_an_empty_hub(app: FunctionApp) -> None:
    before = app.now
    app.start("approval", instance_id="the-same-id")
    app.advance(days=1)
    app.reset()
    assert app.instances() == []
    assert app.now == before
    assert app.start("approval", instance_id="the-same-id").status == "Running"

"""Requests that Schemathesis derives from the OpenAPI document. `test_openapi.py` runs these tests, in another process.

Every process that loads Schemathesis spends a second on it, also one that only collects its tests.
"""

import asyncio
import threading
from collections.abc import Iterator

import pytest
import schemathesis
from dashboard_world import dashboard_world, instance
from hypothesis import HealthCheck, settings
from schemathesis import Case

from durable_host.dashboard.dashboard_routes import ROOT, TOKEN_HEADER
from durable_host.dashboard.endpoint_table import ENDPOINTS
from durable_host.dashboard.openapi import openapi_document
from durable_host.durable.model.status import OrchestrationStatus as Status

ENDLESS = "/changes"
EXAMPLES = 3
MAY_REFUSE = schemathesis.checks.positive_data_acceptance
"""The schema cannot say that a text must be JSON, or a cursor that of a page before."""
schema = schemathesis.openapi.from_dict(openapi_document(ENDPOINTS)).exclude(path=ENDLESS)


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[str, str]]:
    """The address and the token of a dashboard in another thread, with some instances."""
    loop, ready = asyncio.new_event_loop(), threading.Event()
    found: list[tuple[str, str]] = []
    stop = asyncio.Event()

    async def serve() -> None:
        async with dashboard_world(":memory:") as world:
            await world.put(
                instance("0"), instance("failed", runtime_status=Status.Failed), instance("@counter@0", name="@counter")
            )
            found.append((f"{world.origin}{ROOT}/api", world.token))
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert ready.wait(20)
    yield found[0]
    loop.call_soon_threadsafe(stop.set)
    thread.join()
    loop.close()


@schema.parametrize()
@settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)
def test_every_answer_is_as_documented(case: Case, served: tuple[str, str]) -> None:
    base_url, token = served
    case.call_and_validate(base_url=base_url, headers={TOKEN_HEADER: token}, excluded_checks=[MAY_REFUSE])

# pyright: strict
"""A test of an app with types, as strict as pyright can be. `make check` checks the types, this test the values."""

from datetime import datetime, timedelta
from typing import Any, assert_type

import pytest

from durable_host.testing import ActivityDouble, FunctionApp, HttpResponse, InstanceHandle

pytestmark = pytest.mark.function_app(root="../..")


def test_what_a_test_gets_has_a_type(function_app: FunctionApp) -> None:
    pay = assert_type(function_app.activity("ChargeCard").returns("R-1"), ActivityDouble)
    response = assert_type(function_app.client.post("/api/orders", json={"item": "book"}), HttpResponse)
    assert_type(response.status_code, int)
    order = assert_type(function_app.instance(response.json()["id"]).wait(timedelta(days=1)), InstanceHandle)
    assert assert_type(order.status, str) == "Completed"
    assert assert_type(order.output, Any)["receipt"] == "R-1"
    assert assert_type(order.history.types, list[str])[0] == "ExecutionStarted"
    assert assert_type(pay.call_count, int) == 1
    assert assert_type(function_app.now, datetime).year == 2024


async def test_what_a_test_awaits_has_the_same_type(function_app: FunctionApp) -> None:
    request = assert_type(
        await function_app.start("VerifyPhone", {"phone": "1", "giveUpAfterSeconds": 90}), InstanceHandle
    )
    assert_type(await request.wait_until(waiting_for="SmsChallengeResponse"), InstanceHandle)
    assert_type(await function_app.advance(seconds=91), FunctionApp)
    assert assert_type([one.id for one in function_app.instances()], list[str]) == [request.id]


def test_handles_of_storage_have_types(function_app: FunctionApp) -> None:
    queue = function_app.queue("letters").send("a")
    assert assert_type(queue.messages, list[str]) == ["a"]
    assert_type(function_app.container("files").names(), list[str])

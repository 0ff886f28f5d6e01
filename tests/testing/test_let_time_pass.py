"""Waits for instances, where something else becomes due again and again."""

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from durable_host.testing import StillRunning
from durable_host.testing.app_backend import AppBackend
from durable_host.testing.let_time_pass import let_time_pass
from durable_host.testing.wait_condition import WaitCondition

pytestmark = pytest.mark.unit


class TickingApp:
    """An app with a schedule that fires each second, and without instances."""

    longest_wait = timedelta(days=366)

    def __init__(self, looks_after: int = 1000) -> None:
        self.looks_after = looks_after
        self.now = datetime(2024, 1, 1, tzinfo=UTC)

    def settle(self) -> None: ...

    def instance(self, instance_id: str) -> None: ...

    def instances(self, name: str | None, status: str | None) -> list[Any]:
        return []

    def pass_time(self, end: datetime) -> str | None:
        if self.now >= end:
            return "the time is over"
        self.now += timedelta(seconds=1)
        return None


@pytest.mark.parametrize("looks_after", [100, 1000])
def test_a_wait_for_an_instance_that_nothing_starts_does_not_last_a_year(looks_after: int) -> None:
    app = TickingApp(looks_after)
    with pytest.raises(StillRunning, match=rf"but {looks_after} things became due meanwhile, and none has started it"):
        let_time_pass(cast(AppBackend, app), "order-7", WaitCondition(has_ended=True), None, None)


def test_a_limit_is_kept_although_nothing_starts_the_instance() -> None:
    app = TickingApp()
    with pytest.raises(StillRunning, match="the time is over"):
        let_time_pass(
            cast(AppBackend, app),
            "order-7",
            WaitCondition(has_ended=True),
            None,
            timedelta(seconds=2 * app.looks_after),
        )

"""Dashboards over both kinds of task hub."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from dashboard_world import DashboardWorld, Opener, dashboard_world


@pytest.fixture(params=["sqlite", "memory", pytest.param("azure", marks=pytest.mark.storage)])
def open_world(request: pytest.FixtureRequest, tmp_path: Path) -> Opener:
    """Opens dashboards over hubs of one kind."""

    def opened(**options: object) -> contextlib.AbstractAsyncContextManager[DashboardWorld]:
        if request.param == "azure":
            return dashboard_world(request.getfixturevalue("azurite"), **options)  # type: ignore[arg-type]
        return dashboard_world(tmp_path / "hub.db" if request.param == "sqlite" else ":memory:", **options)  # type: ignore[arg-type]

    return opened


@pytest.fixture
async def world(open_world: Opener) -> AsyncIterator[DashboardWorld]:
    """A dashboard over an empty hub of each kind."""
    async with open_world() as opened:
        yield opened


@pytest.fixture
async def small(tmp_path: Path) -> AsyncIterator[DashboardWorld]:
    """A dashboard over an empty hub in memory, for what does not depend on the hub."""
    async with dashboard_world(":memory:") as opened:
        yield opened

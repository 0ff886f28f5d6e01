"""Fixtures of the reference tests: an API over made-up instances, and one over a running app."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from api_world import World, running_world
from reference_world import DurableApp
from runtime_world import App, hosts_on


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """The management API over an embedded hub that no runtime serves."""
    async with running_world() as world:
        yield world


@pytest.fixture
async def durable_app(tmp_path: Path) -> AsyncIterator[DurableApp]:
    """An app without functions, to which a test adds some and which it starts."""
    async with hosts_on(tmp_path / "hub.db") as hosts, DurableApp(App(), hosts) as app:
        yield app

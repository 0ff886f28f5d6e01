"""One host behind the faulty proxy for the tests in a file."""

from collections.abc import Iterator

import pytest
from fault_world import FaultWorld, fault_world

from durable_host.config.connection import Connection


@pytest.fixture(scope="module")
def shared_world(
    request: pytest.FixtureRequest, azurite: Connection, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FaultWorld]:
    """A parameter names another worker of the hub."""
    neighbour: str | None = getattr(request, "param", None)
    with fault_world(azurite, tmp_path_factory.mktemp("faults"), neighbour) as world:
        yield world


@pytest.fixture
def world(shared_world: FaultWorld) -> Iterator[FaultWorld]:
    """The shared world, without rules before and after the test."""
    shared_world.proxy.forget_calls()
    yield shared_world
    shared_world.proxy.clear()

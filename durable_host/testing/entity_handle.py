"""One entity of an app under test."""

from typing import Any, Self

from durable_host.testing.app_backend import AppBackend
from durable_host.testing.json_values import value_of
from durable_host.testing.settled import Settled

__tracebackhide__ = True


class EntityHandle(Settled):
    """The entity `name` with `key`. It need not exist."""

    def __init__(self, backend: AppBackend, name: str, key: str) -> None:
        self._backend = backend
        self.name = name
        self.key = key

    def signal(self, operation: str, input: Any = None) -> Self:
        """Send an operation, and run everything that follows."""
        self._backend.signal_entity(self.name, self.key, operation, self._backend.doubles.as_event(input))
        return self

    @property
    def state(self) -> Any:
        """The state, decoded from its JSON; None if the entity does not exist."""
        return value_of(self._backend.entity_state(self.name, self.key))

    @property
    def exists(self) -> bool:
        """Whether the entity has a state other than `null`."""
        return self._backend.entity_state(self.name, self.key) not in (None, "null")

    def __repr__(self) -> str:
        return f"<entity @{self.name}@{self.key}>"

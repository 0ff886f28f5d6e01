"""The actions that orchestrator code requests, independent of any SDK.

Inputs are JSON text as the SDK sent it.

Source: docs/protocol/durable-actions.md#kinds-of-actions
"""

import msgspec


class RetryPolicy(msgspec.Struct, frozen=True):
    """When to retry a call. Intervals are in ticks; `timeout` None is no limit. `max_attempts` below 1 counts as 1."""

    first_interval: int
    max_attempts: int
    backoff_coefficient: float = 1.0
    max_interval: int | None = None
    timeout: int | None = None


class Action(msgspec.Struct, frozen=True):
    """Base of all actions."""


class CallActivity(Action, frozen=True):
    name: str
    input: str | None
    retry: RetryPolicy | None = None


class CallSubOrchestrator(Action, frozen=True):
    name: str
    input: str | None
    instance_id: str | None = None
    version: str | None = None
    retry: RetryPolicy | None = None


class ContinueAsNewAction(Action, frozen=True):
    input: str | None


class CreateTimer(Action, frozen=True):
    """A timer. `fire_at` is in ticks."""

    fire_at: int
    is_canceled: bool = False


class WaitForExternalEvent(Action, frozen=True):
    name: str


class CallEntity(Action, frozen=True):
    """A call of an entity operation. `instance_id` is `@name@key`."""

    instance_id: str
    operation: str
    input: str | None


class SignalEntity(Action, frozen=True):
    """A signal to an entity. `due` is in ticks, for a delayed signal."""

    instance_id: str
    operation: str
    input: str | None
    due: int | None = None


class CallHttp(Action, frozen=True):
    """A durable HTTP request. `request` is its JSON text."""

    request: str


class WhenAny(Action, frozen=True):
    children: tuple[Action, ...]


class WhenAll(Action, frozen=True):
    children: tuple[Action, ...]


class UnknownAction(Action, frozen=True):
    """An action of a kind that this host does not know. It fails the orchestration."""

    kind: str

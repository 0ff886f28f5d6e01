"""The actions that orchestrator code requests, independent of any SDK.

Inputs are JSON text in the form in which the callee's request or start stores them.

Source: docs/protocol/durable-actions.md#kinds-of-actions
"""

import msgspec


class RetryPolicy(msgspec.Struct, frozen=True):
    """When to retry a call. Intervals are in ticks; `timeout` None is no limit. `max_attempts` below 1 counts as 1.

    With `counts_all`, the SDK numbers all attempts, including those that remain when the call gives up.
    """

    first_interval: int
    max_attempts: int
    backoff_coefficient: float = 1.0
    max_interval: int | None = None
    timeout: int | None = None
    counts_all: bool = False


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


class TimerParts(msgspec.Struct, frozen=True):
    """How a timer longer than `longest` is split: each part takes `part`, except the last one. In ticks."""

    longest: int
    part: int


class CreateTimer(Action, frozen=True):
    """A timer. `fire_at` is in ticks. With `parts`, the host splits a long timer, and the SDK numbers each part when
    the previous one has fired; otherwise the SDK requests the parts itself.
    """

    fire_at: int
    is_canceled: bool = False
    parts: TimerParts | None = None


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
    """A durable HTTP request. `request` is its JSON text.

    With `poll_after`, a 202 answer with a `Location` is followed, by default after that many ticks; the SDK reserves a
    number for the timer and one for the next request.
    """

    request: str
    poll_after: int | None = None


class LockEntities(Action, frozen=True):
    """A lock on entities. `entities` are instance IDs, `@name@key`, sorted and without duplicates."""

    request_id: str
    entities: tuple[str, ...]


class ReleaseEntities(Action, frozen=True):
    """The release of the last lock."""


class ScheduledTask(Action, frozen=True):
    """A task that was already scheduled: `leaf`, depth first, of the top-level action `number`."""

    number: int
    leaf: int


class WhenAny(Action, frozen=True):
    children: tuple[Action, ...]


class WhenAll(Action, frozen=True):
    children: tuple[Action, ...]


class UnknownAction(Action, frozen=True):
    """An action of a kind that this host does not know. It fails the orchestration."""

    kind: str

"""What an instance waits for."""

from datetime import datetime

import msgspec

from durable_host.dashboard.views.waits import OpenWait, WaitKind


class InstanceWait(msgspec.Struct, frozen=True, kw_only=True):
    """One wait. `kind` is event, timer, activity, child, entity or lock.

    `name` is that of the event, activity, orchestrator or entity. Times are in UTC; `due` is set for timers.
    `instance_id` is that of a child or an entity. `attempt` counts the attempts of a call that is retried. `place` is
    where the code waits for an event, as `file:line in function`.
    """

    kind: WaitKind
    name: str
    since: datetime
    due: datetime | None = None
    instance_id: str | None = None
    attempt: int | None = None
    place: str | None = None

    def __str__(self) -> str:
        text = self.kind if self.kind == "timer" and self.name == "timer" else f"{self.kind} '{self.name}'"
        if self.due is not None:
            text += f" until {self.due:%Y-%m-%d %H:%M:%S}"
        if self.attempt is not None:
            text += f", attempt {self.attempt}"
        text += f", since {self.since:%Y-%m-%d %H:%M:%S}"
        return f"{text} ({self.place})" if self.place else text


def as_instance_wait(wait: OpenWait) -> InstanceWait:
    """The wait with times instead of texts."""
    return InstanceWait(
        kind=wait.kind,
        name=wait.name,
        since=datetime.fromisoformat(wait.since),
        due=None if wait.due is None else datetime.fromisoformat(wait.due),
        instance_id=wait.instance_id,
        attempt=wait.attempt,
        place=wait.place,
    )

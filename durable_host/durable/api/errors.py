"""What a client operation may answer instead of doing its work.

`name` is the .NET exception type that stands in error bodies.

Source: docs/protocol/durable-http-api.md#error-bodies
"""

from typing import ClassVar

from durable_host.durable.model.status import OrchestrationStatus


class ClientError(Exception):
    """Base of all."""

    name: ClassVar[str] = "System.InvalidOperationException"


class InvalidArgument(ClientError):
    """An argument is wrong; the text says which and why."""

    name: ClassVar[str] = "System.ArgumentException"


class InvalidInstanceId(InvalidArgument):
    """The ID breaks a `rule`. As in Azure, message and parameter name are swapped in the text."""

    def __init__(self, rule: str) -> None:
        super().__init__(f"instanceId (Parameter '{rule}')")
        self.rule = rule


class UnknownFunction(InvalidArgument):
    """The app has no orchestrator, activity or entity of this name; the text lists those it has."""


class UnknownHub(ClientError):
    """A request names a task hub or a connection that cannot be; the text says which."""


class ForwardedPort(ClientError):
    """Azure makes no URL of a forwarded host that has a port."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"Invalid URI: The hostname could not be parsed: '{host}'. With useForwardedHost, X-Forwarded-Host must "
            "not have a port."
        )


class InstanceNotFound(ClientError):
    """There is no such instance, and never was, or it was purged."""

    def __init__(self, instance_id: str) -> None:
        super().__init__(f"No instance with ID '{instance_id}' was found.")
        self.instance_id = instance_id


class InstanceEnded(ClientError):
    """The instance has ended, so nothing can be done to it any more."""

    def __init__(self, instance_id: str, status: OrchestrationStatus) -> None:
        super().__init__(f"The instance '{instance_id}' has ended: its status is {status.name}.")
        self.instance_id = instance_id
        self.status = status


class NotFailed(ClientError):
    """Only an instance that has failed can be rewound."""

    def __init__(self, status: OrchestrationStatus) -> None:
        super().__init__(
            f'This orchestration has status {status.name}, but only orchestrations in the "Failed" state can be '
            "rewound."
        )


class NotTerminal(ClientError):
    """A running instance is not purged."""

    def __init__(self, instance_id: str, status: OrchestrationStatus) -> None:
        super().__init__(
            "Only orchestrations in a terminal state can be purged, but the orchestration with instance ID "
            f"{instance_id} has status {status.name}"
        )

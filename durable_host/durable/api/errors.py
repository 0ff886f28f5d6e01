"""The errors of client operations.

`name` is the .NET exception type in error bodies.

Source: docs/protocol/durable-http-api.md#error-bodies
"""

from typing import ClassVar

from durable_host.durable.model.status import OrchestrationStatus


class ClientError(Exception):
    """The base of all errors of client operations."""

    name: ClassVar[str] = "System.InvalidOperationException"


class InvalidArgument(ClientError):
    """An argument is invalid. The text says which one and why."""

    name: ClassVar[str] = "System.ArgumentException"


class InvalidToken(InvalidArgument):
    """A text is not a continuation token. One that another task hub has returned may pass as one."""


class InvalidInstanceId(InvalidArgument):
    """The ID violates a `rule`. As in Azure, message and parameter name are swapped in the text."""

    def __init__(self, rule: str) -> None:
        super().__init__(f"instanceId (Parameter '{rule}')")
        self.rule = rule


class UnknownFunction(InvalidArgument):
    """The app has no orchestrator, activity or entity with this name. The text lists those it has."""


class UnknownHub(ClientError):
    """A request names an invalid task hub or connection. The text says which."""


class ForwardedPort(ClientError):
    """Azure generates no URLs for a forwarded host with a port."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"Invalid URI: The hostname could not be parsed: '{host}'. With useForwardedHost, X-Forwarded-Host must "
            "not have a port."
        )


class InstanceNotFound(ClientError):
    """The instance does not exist, or was purged."""

    def __init__(self, instance_id: str) -> None:
        super().__init__(f"No instance with ID '{instance_id}' was found.")
        self.instance_id = instance_id


class InstanceEnded(ClientError):
    """The instance has ended, so the operation is not possible."""

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
    """An instance that has not ended cannot be purged."""

    def __init__(self, instance_id: str, status: OrchestrationStatus) -> None:
        super().__init__(
            "Only orchestrations in a terminal state can be purged, but the orchestration with instance ID "
            f"{instance_id} has status {status.name}"
        )

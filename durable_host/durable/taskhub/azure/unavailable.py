"""Translates storage errors into the port's errors: an outage is temporary, a refusal is not."""

import functools
from collections.abc import Callable, Coroutine
from types import CoroutineType
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from durable_host.durable.taskhub.port import TaskHubRefused, TaskHubUnavailable
from durable_host.storage import AccessDenied, InvalidRequest, StorageError
from durable_host.storage.errors import UNAVAILABLE, diagnosis

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
_ABOUT_DATA = frozenset((400, 413))


class OfConnection(Protocol):
    """An object that knows the name of its connection setting."""

    @property
    def connection_setting(self) -> str: ...


Hub = TypeVar("Hub", bound=OfConnection)


def is_about_data(error: StorageError) -> bool:
    """True when storage rejects the data to be stored."""
    return isinstance(error, InvalidRequest) or error.status in _ABOUT_DATA


def as_unavailable(error: StorageError, setting: str) -> TaskHubUnavailable:
    """Return the port's error for a storage error. `setting` is the name of the connection."""
    if error.is_outage:
        return TaskHubUnavailable(str(error), is_unreachable=error.code == UNAVAILABLE, kind=error.code)
    return TaskHubRefused(
        diagnosis(error, setting),
        kind=error.code,
        is_about_data=is_about_data(error),
        is_about_access=isinstance(error, AccessDenied),
    )


def storage_errors_as_unavailable(
    method: Callable[Concatenate[Hub, Parameters], Coroutine[Any, Any, Result]],
) -> "Callable[Concatenate[Hub, Parameters], CoroutineType[Any, Any, Result]]":
    """Make a hub method raise `TaskHubUnavailable` or `TaskHubRefused` instead of StorageError."""

    @functools.wraps(method)
    async def translated(hub: Hub, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        try:
            return await method(hub, *args, **kwargs)
        except StorageError as error:
            raise as_unavailable(error, hub.connection_setting) from error

    return translated

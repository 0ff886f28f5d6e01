"""Storage errors as the port's callers know them."""

import functools
from collections.abc import Callable, Coroutine
from types import CoroutineType
from typing import Any, ParamSpec, TypeVar

from durable_host.durable.taskhub.port import TaskHubUnavailable
from durable_host.storage import StorageError, StorageUnavailable
from durable_host.storage.errors import UNAVAILABLE

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def storage_errors_as_unavailable(
    method: Callable[Parameters, Coroutine[Any, Any, Result]],
) -> "Callable[Parameters, CoroutineType[Any, Any, Result]]":
    """Raise `TaskHubUnavailable` where `method` lets a StorageError through."""

    @functools.wraps(method)
    async def translated(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        try:
            return await method(*args, **kwargs)
        except StorageError as error:
            passing = isinstance(error, StorageUnavailable) and error.code == UNAVAILABLE
            raise TaskHubUnavailable(str(error), is_unreachable=passing) from error

    return translated

"""Storage errors as the port's callers know them."""

import asyncio
import functools
import time
from collections.abc import Callable, Coroutine
from types import CoroutineType
from typing import Any, ParamSpec, TypeVar

from durable_host.durable.taskhub.port import TaskHubUnavailable
from durable_host.storage import StorageError, StorageUnavailable
from durable_host.storage.transport import ANSWER_TIMEOUT

_AGAIN_SECONDS = 0.5

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
            raise TaskHubUnavailable(str(error)) from error

    return translated


def patient_read(
    method: Callable[Parameters, Coroutine[Any, Any, Result]],
) -> "Callable[Parameters, CoroutineType[Any, Any, Result]]":
    """As `storage_errors_as_unavailable`, for what only reads: a service that refuses or breaks connections, as one
    does that is being started again, is given as much time as one that keeps silent.
    """

    @functools.wraps(method)
    async def patient(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        deadline = time.monotonic() + ANSWER_TIMEOUT
        while True:
            try:
                return await method(*args, **kwargs)
            except StorageUnavailable as error:
                if error.status or error.code != "Unavailable" or time.monotonic() + _AGAIN_SECONDS > deadline:
                    raise TaskHubUnavailable(str(error)) from error
                await asyncio.sleep(_AGAIN_SECONDS)
            except StorageError as error:
                raise TaskHubUnavailable(str(error)) from error

    return patient

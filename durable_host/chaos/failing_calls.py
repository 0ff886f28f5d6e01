"""Calls of a task hub whose storage fails: before they have an effect, or after it."""

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from durable_host.chaos.fault import ANSWER_LOST, TIMEOUT
from durable_host.chaos.injector import Injector
from durable_host.chaos.message_words import InstanceNames
from durable_host.durable.taskhub.port import TaskHubUnavailable

T = TypeVar("T")
Call = Callable[[], Coroutine[Any, Any, T]]

_TEXTS = {TIMEOUT: "Storage does not answer in time (chaos).", ANSWER_LOST: "The answer of storage is lost (chaos)."}


class FailingCalls:
    """Makes calls of a hub fail. With `is_on` false, none of them fails here, because requests to storage do."""

    def __init__(self, injector: Injector, names: InstanceNames, *, is_on: bool) -> None:
        self._injector = injector
        self._names = names
        self._is_on = is_on

    async def make(
        self, what: str, instance_id: str, call: Call[T], *, lost: Callable[[], Exception | None] | None = None
    ) -> T:
        """Make a call. The log names it by `what` and its instance.

        `lost` returns the error after a call whose answer is lost, or None if repeating the call finds it done. Raises
        TaskHubUnavailable for all other faults.
        """
        if not self._is_on:
            return await call()
        target = f"{what} instance '{self._names.name(instance_id)}'" if instance_id else what
        fault = self._injector.happens("storage-errors", target, instance_id=instance_id)
        if fault is None:
            return await call()
        if fault.variant == ANSWER_LOST:
            result = await call()
            if lost is not None:
                if (error := lost()) is None:
                    return result
                raise error
        raise TaskHubUnavailable(_TEXTS.get(fault.variant, "503 Server Busy (chaos)."), kind="chaos")

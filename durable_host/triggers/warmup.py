"""The warm-up trigger: runs functions once when the host has started.

Source: docs/protocol/functions-host-app.md#warm-up-functions
"""

import logging

from durable_host.invocation.datum import json_text
from durable_host.invocation.errors import FunctionFailed, WorkerLost
from durable_host.invocation.invoker import Invoker, Outcome
from durable_host.invocation.metadata import FunctionMetadata

_log = logging.getLogger("Host.Triggers.Warmup")

REASON = "The host has started."


class WarmupTrigger:
    """The trigger of one function. It runs once, and a failure is only logged."""

    def __init__(self, function: FunctionMetadata, invoker: Invoker) -> None:
        self._function = function
        self._invoker = invoker
        self._is_done = False

    async def listen(self) -> None:
        """Run the function unless it has already run."""
        if self._is_done:
            return
        self._is_done = True
        try:
            await invoke_warmup(self._invoker, self._function, reason=REASON)
        except (FunctionFailed, WorkerLost) as error:
            _log.debug("The function '%s' failed: %s", self._function.name, error)

    def stop(self) -> None:
        """Nothing to stop: there are no further events."""


async def invoke_warmup(
    invoker: Invoker, function: FunctionMetadata, *, reason: str, invocation_id: str | None = None
) -> Outcome:
    """One invocation, without data."""
    return await invoker.invoke(function, trigger_value=json_text("{}"), reason=reason, invocation_id=invocation_id)

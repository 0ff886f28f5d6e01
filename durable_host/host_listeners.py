"""The queue listeners of an app: started together, drained together."""

import asyncio
import logging

from durable_host.triggers.queue.trigger import QueueTrigger

_log = logging.getLogger("Host.Triggers.Queue")

RESTART_SECONDS = 2.0


class Listeners:
    """Owns one task a queue-triggered function."""

    def __init__(self, triggers: list[QueueTrigger]) -> None:
        self._triggers = triggers
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self._listen(trigger)) for trigger in self._triggers]

    async def stop(self, grace: float) -> None:
        """Receive no more, let running messages finish for `grace` seconds, give the others back."""
        for trigger in self._triggers:
            trigger.listener.stop()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    async def _listen(self, trigger: QueueTrigger) -> None:
        """A mistake in the listener itself must not leave a queue unread for the rest of the day."""
        while True:
            try:
                await trigger.listener.listen()
                return
            except Exception:
                _log.exception(
                    "The listener for function 'Functions.%s' failed and starts again", trigger.function.name
                )
                await asyncio.sleep(RESTART_SECONDS)

"""Receives the messages of one queue and runs the function for each.

Source: docs/protocol/functions-host-queues.md#polling, docs/protocol/functions-host-queues.md#outcomes
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from durable_host.bindings.queue_signals import QueueSignals
from durable_host.bindings.queue_text import UndecodableMessage, decode
from durable_host.config.extensions import QueueOptions
from durable_host.storage import (
    HoldTimes,
    LeasedMessage,
    MessageLeases,
    NotFound,
    PollBackoff,
    QueueMessage,
    QueueService,
    StorageError,
)
from durable_host.supervision import keep_running
from durable_host.triggers.queue.disposition import Disposition, after_failure, before_running, poison_queue_of
from durable_host.triggers.queue.held_message import HeldMessage
from durable_host.triggers.queue.settlement import Settlement

_log = logging.getLogger("Host.Triggers.Queue")

MOST_UNSETTLED = 64
SHORTEST_PAUSE = 0.1
LONGEST_OUTAGE_PAUSE = 1.0

RunMessage = Callable[[QueueMessage, bytes], Awaitable[None]]
"""Runs the function for one message. An exception means that it failed, which has been logged."""


class QueueListener:
    """The listener of one function. `hold` is the visibility timeout of messages in process, in seconds.

    At most `batch_size + new_batch_threshold` messages run at a time; deletes do not count.
    """

    def __init__(
        self,
        *,
        queue: str,
        account: str,
        service: QueueService,
        options: QueueOptions,
        signals: QueueSignals,
        run: RunMessage,
        hold: float,
    ) -> None:
        self.queue = queue
        self._account = account
        self._service = service
        self._options = options
        self._signals = signals
        self._run_function = run
        self._hold = hold
        self._leases = MessageLeases(service, HoldTimes(hold, hold), _log)
        self._settlement = Settlement(
            service,
            queue,
            self._leases,
            options.visibility_timeout,
            lambda poison: signals.notify(account, poison),
        )
        self._wake = asyncio.Event()
        self._progress = asyncio.Event()
        self._stopping = False
        self._running = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._in_trouble = False

    @property
    def outstanding(self) -> int:
        """The number of running messages."""
        return self._running

    @property
    def is_busy(self) -> bool:
        """Whether messages run, or are deleted or released."""
        return bool(self._tasks)

    async def check_now(self) -> bool:
        """Return whether there is a message to receive, which is then received at once. Raises StorageError."""
        try:
            has_message = bool(await self._service.peek(self.queue, 1))
        except NotFound:
            return False
        if has_message:
            self._wake.set()
        return has_message

    async def listen(self) -> None:
        """Receive until `stop`."""
        self._wake = self._signals.subscribe(self._account, self.queue)
        renewal = f"renewal of messages of queue '{self.queue}'"
        renewing = asyncio.create_task(keep_running(renewal, self._leases.run, _log))
        try:
            backoff = PollBackoff(SHORTEST_PAUSE, self._options.max_polling_interval)
            while not self._stopping:
                await self._wait_for_room()
                self._wake.clear()
                pause = await self._receive(backoff)
                if pause and not self._stopping:
                    await self._signals.wait(self._account, self.queue, self._wake, pause)
            if self._tasks:
                await asyncio.wait(self._tasks)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)
            self._signals.unsubscribe(self._account, self.queue, self._wake)

    def stop(self) -> None:
        """Receive no more messages. `listen` returns when the running ones are settled, unless cancelled earlier."""
        self._stopping = True
        self._wake.set()
        self._progress.set()

    async def _wait_for_room(self) -> None:
        while not self._stopping and (
            self._running > self._options.new_batch_threshold or len(self._tasks) - self._running >= MOST_UNSETTLED
        ):
            self._progress.clear()
            await self._progress.wait()

    async def _receive(self, backoff: PollBackoff) -> float:
        """Receive once. Returns the seconds to wait before the next time."""
        count = min(32, self._options.batch_size + self._options.new_batch_threshold - self._running)
        try:
            messages = await self._service.get(self.queue, max(1, count), self._hold)
        except NotFound:
            messages = []
        except StorageError as error:
            return self._pause_after(error, backoff)
        if self._in_trouble:
            self._in_trouble = False
            _log.warning("The queue '%s' answers again.", self.queue)
        if not messages:
            return backoff.after_empty_poll()
        backoff.reset()
        for message in messages:
            lease = LeasedMessage(self.queue, message, self._hold)
            self._leases.keep(lease)
            self._running += 1
            task = asyncio.create_task(self._process(HeldMessage(message, lease)))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return 0.0

    def _pause_after(self, error: StorageError, backoff: PollBackoff) -> float:
        if not self._in_trouble:
            self._in_trouble = True
            _log.warning("The queue '%s' cannot be read and is being retried: %s", self.queue, error)
        return min(LONGEST_OUTAGE_PAUSE, backoff.after_empty_poll())

    async def _process(self, held: HeldMessage) -> None:
        try:
            try:
                disposition = await self._run(held)
            finally:
                self._running -= 1
                self._progress.set()
            await self._settlement.settle(held, disposition)
            if disposition is Disposition.RELEASE and self._options.visibility_timeout == 0:
                self._wake.set()
        except asyncio.CancelledError:
            await self._settlement.give_back(held)
            raise
        except Exception:
            _log.exception(
                "The message '%s' of queue '%s' was not settled and will be delivered again",
                held.message.id,
                self.queue,
            )
        finally:
            self._leases.let_go(held.lease)
            self._progress.set()

    async def _run(self, held: HeldMessage) -> Disposition:
        message, options = held.message, self._options
        if self._settlement.is_finished(message.id):
            return Disposition.DELETE
        if self._stopping:
            return Disposition.RUN
        if before_running(self.queue, message.dequeue_count, options.max_dequeue_count) is Disposition.POISON:
            self._warn_of_poison(options.max_dequeue_count)
            return Disposition.POISON
        try:
            content = decode(message.text, options.message_encoding)
        except UndecodableMessage:
            return self._undecodable(message)
        try:
            await self._run_function(message, content)
        except Exception:
            disposition = after_failure(self.queue, message.dequeue_count, options.max_dequeue_count)
            if disposition is Disposition.POISON:
                self._warn_of_poison(options.max_dequeue_count)
            return disposition
        return Disposition.DELETE

    def _undecodable(self, message: QueueMessage) -> Disposition:
        _log.warning(
            "Message decoding has failed! Check MessageEncoding settings. MessageId=%s. The text of this message of "
            "queue '%s' is not base64, which host.json asks for; to receive plain text, set "
            '"extensions": {"queues": {"messageEncoding": "none"}} there.',
            message.id,
            self.queue,
        )
        if poison_queue_of(self.queue) is None:
            return Disposition.HOLD
        _log.warning("Moving message to queue '%s'.", poison_queue_of(self.queue))
        return Disposition.POISON

    def _warn_of_poison(self, max_dequeue_count: int) -> None:
        _log.warning(
            "Message has reached MaxDequeueCount of %d. Moving message to queue '%s'.",
            max_dequeue_count,
            poison_queue_of(self.queue),
        )

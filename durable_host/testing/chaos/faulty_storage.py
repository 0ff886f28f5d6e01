"""Storage in memory whose requests fail: those of triggers and bindings."""

import re

import aiohttp

from durable_host.chaos.fault import ANSWER_LOST, REFUSED, Fault
from durable_host.chaos.injector import Injector
from durable_host.chaos.message_words import InstanceNames
from durable_host.testing.chaos.numbered_instances import RANDOM_ID
from durable_host.testing.chaos.repeated_messages import RepeatedMessages
from durable_host.testing.memory_storage.memory_storage import MemoryStorage
from durable_host.testing.memory_storage.storage_exchange import StorageAnswer, StorageRequest, refused_answer

_MESSAGES = re.compile(r"/(?P<queue>[^/]+)/messages(/(?P<id>[^/]+))?")
_TRANSACTION = "/$batch"
_TABLE = re.compile(rb"^(?:POST|PUT|PATCH|MERGE|DELETE) \S*/(\w+)[( ]", re.MULTILINE)
_OF_HOST = "/azure-webjobs-"
_OF_MESSAGE = {"DELETE": "deletion", "PUT": "update"}


class FaultyStorage:
    """Answers the requests of the host. Some are refused, not answered, or carried out without an answer.

    The host repeats them at once, as all clients of Azure Storage do: so a message may be put twice, or be hidden until
    its visibility times out. Leases, receipts and schedules of the host itself do not fail.
    """

    def __init__(self, injector: Injector, storage: MemoryStorage, names: InstanceNames) -> None:
        self._injector = injector
        self._storage = storage
        self._names = names
        self._repeated = RepeatedMessages(injector, storage)

    def answer(self, account: str, request: StorageRequest) -> StorageAnswer:
        """Let a request take effect, or not. Raises aiohttp.ClientError if it gets no answer."""
        fault = self._fault(account, request)
        if fault is not None and fault.variant == REFUSED:
            return refused_answer(request.service, 503, "ServerBusy")
        if fault is not None and fault.variant != ANSWER_LOST:
            raise aiohttp.ServerDisconnectedError
        answer = self._storage.answer(account, self._repeated.instead_of(account, request))
        if fault is not None:
            raise aiohttp.ServerDisconnectedError
        return answer

    def _fault(self, account: str, request: StorageRequest) -> Fault | None:
        if request.path.startswith(_OF_HOST):
            return None
        target = self._words(account, request)
        return None if target is None else self._injector.happens("storage-errors", target)

    def _words(self, account: str, request: StorageRequest) -> str | None:
        """The request in words that are the same in each run; None if it asks an empty queue for messages."""
        if request.path == _TRANSACTION and (table := _TABLE.search(request.body)) is not None:
            return f"write to table '{table[1].decode()}'"
        found = _MESSAGES.fullmatch(request.path) if request.service == "queue" else None
        if found is None:
            return f"request {request.method} {RANDOM_ID.sub(self._name, request.path.strip('/'))}"
        queue, queues = found["queue"], self._storage.account(account).queues
        if found["id"] is not None:
            message = queues.queues.get(queue, {}).get(found["id"])
            number = "" if message is None else f" {message.order}"
            return f"{_OF_MESSAGE.get(request.method, request.method)} of message{number} of queue '{queue}'"
        if request.method == "POST":
            return f"message to queue '{queue}'"
        visible = queues.visible(queue)
        return f"receipt of message {visible[0].order} of queue '{queue}'" if visible else None

    def _name(self, found: re.Match[str]) -> str:
        """The name of the instance with this ID. Other random IDs have none, so that each run has the same words."""
        name = self._names.name(found[0])
        return "…" if name == found[0] else name

"""Requests to storage that fail on purpose, as the storage client of the host sees them."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from durable_host.chaos.fault import VARIANTS, Fault
from durable_host.chaos.faulty_session import FaultySession
from durable_host.chaos.injector import ScheduledInjector
from durable_host.chaos.message_words import InstanceNames
from durable_host.config.connections import development
from durable_host.storage.auth import authorization
from durable_host.storage.errors import StorageUnavailable
from durable_host.storage.transport import HttpChannel, StorageResponse

PATH = "/orders/messages"
TARGET = "request POST orders/messages"


class Answers:
    """A session whose requests all succeed."""

    def __init__(self) -> None:
        self.requests: list[str] = []

    def get(self) -> "Answers":
        return self

    async def close(self) -> None: ...

    @asynccontextmanager
    async def request(self, method: str, url: URL, **_: Any) -> AsyncGenerator[Any]:
        self.requests.append(f"{method} {url.path}")
        yield self

    status = 201
    headers = CIMultiDictProxy(CIMultiDict[str]())

    async def read(self) -> bytes:
        return b"stored"


async def post(variant: str, body: bytes = b"") -> tuple[StorageResponse | None, Answers, list[Fault]]:
    """Send a request whose first attempt has a fault. The response, what reached storage, and the faults."""
    answers, faults = Answers(), list[Fault]()
    share = VARIANTS["storage-errors"].index(variant) / 3
    schedule = [Fault(kind="storage-errors", target=TARGET, share=share)]
    session = FaultySession(answers, ScheduledInjector(schedule, faults.append), InstanceNames())
    connection = development()
    channel = HttpChannel(
        "queue", "http://127.0.0.1:1/devstoreaccount1", session, authorization(connection, tables=False, token=None)
    )
    try:
        return await channel.send("POST", PATH, body=body), answers, faults
    except StorageUnavailable:
        return None, answers, faults


async def test_a_refused_request_is_repeated_and_takes_effect_once() -> None:
    response, answers, faults = await post("refused")
    assert response is not None
    assert response.body == b"stored"
    assert len(answers.requests) == 1
    assert [fault.text for fault in faults] == [f"Storage refuses the {TARGET}: 503 Server Busy."]


async def test_a_request_whose_answer_is_lost_takes_effect_twice() -> None:
    response, answers, _ = await post("answer lost")
    assert response is not None
    assert response.after_retry
    assert len(answers.requests) == 2


async def test_a_request_without_an_answer_in_time_fails() -> None:
    response, answers, faults = await post("time-out")
    assert response is None
    assert answers.requests == []
    assert len(faults) == 1


async def test_faults_of_a_received_message_name_its_instance() -> None:
    class Received(Answers):
        async def read(self) -> bytes:
            return b"<QueueMessage><MessageId>m1</MessageId>{&quot;InstanceId&quot;:&quot;order-7&quot;}</QueueMessage>"

    faults = list[Fault]()
    target = "request DELETE control-00/messages (instance 'order-7')"
    injector = ScheduledInjector([Fault(kind="storage-errors", target=target)], faults.append)
    session = FaultySession(Received(), injector, InstanceNames())
    queue = URL("http://127.0.0.1:1/devstoreaccount1/control-00/messages")
    async with session.request("GET", queue):
        pass
    async with session.request("DELETE", queue / "m1") as response:
        assert response.status == 503
    assert [(fault.target, fault.instance_id) for fault in faults] == [(target, "order-7")]

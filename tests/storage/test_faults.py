"""Services that do not answer, break the connection, or fail for a while."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from loop_time import skip

from durable_host.config.connection import Connection
from durable_host.storage import Conflict, InvalidRequest, Operation, StorageAccount, StorageUnavailable, transport
from durable_host.storage.errors import explain
from durable_host.storage.standstill import Standstill


@pytest.fixture(autouse=True)
def _short_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "RETRY_DELAYS", (0.0, 0.001, 0.001))


class Script:
    """A server that answers the n-th request with the n-th of its answers; None closes the connection."""

    def __init__(self) -> None:
        self.answers: list[bytes | None] = []
        self.requests = 0
        self.port = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                for line in head.split(b"\r\n"):
                    if line.lower().startswith(b"content-length:"):
                        await reader.readexactly(int(line.split(b":")[1]))
                answer = self.answers[min(self.requests, len(self.answers) - 1)]
                self.requests += 1
                await self.may_answer.wait()
                if answer is None:
                    break
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def account(self) -> StorageAccount:
        endpoint = f"http://127.0.0.1:{self.port}/devstoreaccount1"
        return StorageAccount(Connection("devstoreaccount1", endpoint, endpoint, endpoint, account_key="a2V5"))


@pytest.fixture
async def script() -> AsyncIterator[Script]:
    script = Script()
    server = await asyncio.start_server(script.serve, "127.0.0.1", 0)
    script.port = server.sockets[0].getsockname()[1]
    yield script
    server.close()


def answer(status: str, *headers: str, body: str = "") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


async def test_a_service_that_stands_still_is_named_once_and_once_when_it_is_back(
    script: Script, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(transport, "STALL_SECONDS", 0.05)
    script.answers = [answer("201 Created")]
    script.may_answer.clear()
    with caplog.at_level(logging.INFO, "Host.Storage"):
        async with script.account() as account:
            account.standstill.advice = "Do this."
            requests = [asyncio.ensure_future(account.queues.create(f"later-{number}")) for number in range(3)]
            async with asyncio.timeout(30):
                while not caplog.records:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            monkeypatch.setattr(transport, "STALL_SECONDS", 60.0)
            script.may_answer.set()
            assert await asyncio.gather(*requests) == [True, True, True]
            await account.queues.create("another")
    warning, back = [record.getMessage() for record in caplog.records]
    assert f"The queue service at http://127.0.0.1:{script.port}/devstoreaccount1 has not answered for" in warning
    assert warning.endswith("Do this.")
    assert f"The queue service at http://127.0.0.1:{script.port}/devstoreaccount1 answers again" in back


async def test_a_request_that_waits_for_its_turn_is_not_a_standstill(caplog: pytest.LogCaptureFixture) -> None:
    standstill = Standstill()
    watch = standstill.watch("The queue service", 30.0)
    standstill.answered("The queue service")
    watch.check()
    watch.end()
    assert not caplog.records


BUSY = answer("503 Server Busy", "x-ms-error-code: ServerBusy")


@pytest.mark.parametrize("first", [BUSY, answer("500 Internal"), None])
async def test_a_passing_failure_is_tried_again(script: Script, first: bytes | None) -> None:
    script.answers = [first, first, answer("201 Created")]
    async with script.account() as account:
        assert await account.queues.create("later")
    assert script.requests == 3


async def test_a_lasting_failure_is_unavailable_and_keeps_its_code(script: Script) -> None:
    script.answers = [BUSY]
    async with script.account() as account:
        with pytest.raises(StorageUnavailable) as caught:
            await account.queues.create("never")
    assert (caught.value.status, caught.value.code) == (503, "ServerBusy")
    assert script.requests == 4


async def test_broken_connections_end_in_unavailable_naming_the_endpoint(script: Script) -> None:
    script.answers = [None]
    async with script.account() as account:
        with pytest.raises(StorageUnavailable, match=f"table service at http://127.0.0.1:{script.port}/devstore"):
            await account.tables.insert("Any", {"PartitionKey": "", "RowKey": ""})


@pytest.mark.parametrize(("lost", "outcome"), [(1, contextlib.nullcontext()), (2, pytest.raises(StorageUnavailable))])
async def test_a_connection_that_does_not_come_about_in_time_is_tried_once_more(
    script: Script, monkeypatch: pytest.MonkeyPatch, lost: int, outcome: contextlib.AbstractContextManager[object]
) -> None:
    loop = asyncio.get_running_loop()
    connect, tries = loop.sock_connect, 0

    async def connect_late(*arguments: Any) -> None:
        nonlocal tries
        tries += 1
        if tries <= lost:
            skip(2 * transport.CONNECT_TIMEOUT)
            await asyncio.Event().wait()
        await connect(*arguments)

    monkeypatch.setattr(loop, "sock_connect", connect_late)
    script.answers = [answer("201 Created")]
    async with script.account() as account:
        with outcome:
            assert await account.queues.create("late")
    assert tries == 2


async def test_a_conflict_after_a_lost_answer_is_marked(script: Script) -> None:
    exists = answer("409 Conflict", body='{"odata.error":{"code":"EntityAlreadyExists","message":{"value":"there"}}}')
    script.answers = [exists]
    async with script.account() as account:
        with pytest.raises(Conflict) as sure:
            await account.tables.insert("Any", {"PartitionKey": "", "RowKey": ""})
        script.answers, script.requests = [None, exists], 0
        with pytest.raises(Conflict) as unsure:
            await account.tables.insert("Any", {"PartitionKey": "", "RowKey": ""})
    assert (sure.value.after_retry, unsure.value.after_retry) == (False, True)
    assert unsure.value.code == "EntityAlreadyExists"


async def test_a_refusal_is_not_tried_again(script: Script) -> None:
    script.answers = [answer("409 Conflict", "x-ms-error-code: QueueBeingDeleted")]
    async with script.account() as account:
        with pytest.raises(Conflict) as caught:
            await account.queues.create("deleted")
    assert caught.value.code == "QueueBeingDeleted"
    assert script.requests == 1


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("OutOfRangeInput", "One of the request inputs is out of range. (OutOfRangeInput, HTTP 400)"),
        ("MD5MismatchOfBlobs", "MD5 mismatch of blobs (Bad Request). (MD5MismatchOfBlobs, HTTP 400)"),
        (None, "The service gave no reason (Bad Request). (Http400, HTTP 400)"),
    ],
)
async def test_a_refusal_without_a_body_is_reported_in_a_sentence(
    script: Script, code: str | None, sentence: str
) -> None:
    script.answers = [answer("400 Whatever", *([f"x-ms-error-code: {code}"] if code else []))]
    async with script.account() as account:
        with pytest.raises(InvalidRequest) as caught:
            await account.blobs.head("c", "b")
    assert str(caught.value) == f"blob /devstoreaccount1/c/b: {sentence}"


CALLS: list[Callable[[StorageAccount], object]] = [
    lambda account: account.queues.put("q", "x"),
    lambda account: account.tables.transaction("T", [Operation("insert", {"PartitionKey": "", "RowKey": ""})]),
    lambda account: account.blobs.get("c", "b"),
]


@pytest.mark.parametrize(("call", "service"), list(zip(CALLS, ("queue", "table", "blob"), strict=True)))
async def test_a_service_nobody_offers_is_named(call: Callable[[StorageAccount], object], service: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{taken.getsockname()[1]}/devstoreaccount1"
        connection = Connection("devstoreaccount1", endpoint, endpoint, endpoint, account_key="a2V5")
        async with StorageAccount(connection) as account:
            with pytest.raises(StorageUnavailable) as caught:
                await call(account)  # type: ignore[misc]
    assert f"The {service} service at {endpoint} does not answer" in str(caught.value)
    failure = explain(caught.value, "Mine")
    assert failure.code == "DH2001"
    assert "'Mine'" in failure.message


async def test_a_name_none_of_whose_addresses_answers_is_reported_with_the_reason_of_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def refused(*_: object, **__: object) -> None:
        raise OSError("Multiple exceptions: [Errno 111] to ::1, [Errno 111] to 127.0.0.1")

    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", refused)
    endpoint = "http://localhost:1/devstoreaccount1"
    async with StorageAccount(
        Connection("devstoreaccount1", endpoint, endpoint, endpoint, account_key="a2V5")
    ) as account:
        with pytest.raises(StorageUnavailable, match=r"does not answer: Multiple exceptions: .*to ::1, .*to 127"):
            await account.blobs.get("c", "b")


async def test_requests_survive_a_server_that_closes_idle_connections(script: Script) -> None:
    script.answers = [answer("201 Created", "Connection: close"), answer("201 Created")]
    async with script.account() as account:
        for name in ("one", "two", "three"):
            assert await account.queues.create(name)
    assert script.requests == 3


@pytest.mark.parametrize("first", [None, answer("500 Internal Server Error")])
async def test_a_poll_says_that_an_earlier_attempt_may_have_hidden_messages(
    script: Script, first: bytes | None
) -> None:
    nothing = answer("200 OK", body="<QueueMessagesList />")
    script.answers = [nothing, first, nothing]
    async with script.account() as account:
        assert await account.queues.poll("work") == ([], False)
        assert await account.queues.poll("work") == ([], True)

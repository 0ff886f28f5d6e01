"""The queue service against a real Azurite."""

import pytest

from durable_host import timestamp
from durable_host.storage import InvalidRequest, NotFound, StorageAccount
from durable_host.storage.queue_xml import http_ticks, read_messages, write_message

TEXTS = [
    "plain",
    "",
    "   ",
    " spaces at both ends ",
    '<a href="x">&amp;\'</a>',
    "]]>",
    "&#x41; &lt; &unknown;",
    "a/b+c=%41?x&y",
    "line\nbreak\r\nreturn\rtab\t",
    "é漢字😀\u2028\u2029\x7f",
    '{"json": ["value", 1.5]}',
]


async def test_creating_a_queue_twice_reports_that_it_existed(storage: StorageAccount) -> None:
    assert await storage.queues.create("created-twice")
    assert not await storage.queues.create("created-twice")
    assert await storage.queues.exists("created-twice")
    assert await storage.queues.delete_queue("created-twice")
    assert not await storage.queues.delete_queue("created-twice")
    assert not await storage.queues.exists("created-twice")


async def test_queues_are_listed_by_prefix(storage: StorageAccount) -> None:
    for name in ("listed-a", "listed-b", "other-c"):
        await storage.queues.create(name)
    assert await storage.queues.list("listed-") == ["listed-a", "listed-b"]
    assert "other-c" in await storage.queues.list()


@pytest.mark.parametrize("text", TEXTS)
async def test_text_arrives_as_it_was_put(storage: StorageAccount, queue: str, text: str) -> None:
    await storage.queues.put(queue, text)
    (message,) = await storage.queues.get(queue)
    assert message.text == text
    assert message.dequeue_count == 1


@pytest.mark.parametrize("text", TEXTS)
async def test_text_arrives_as_it_was_updated(storage: StorageAccount, queue: str, text: str) -> None:
    put = await storage.queues.put(queue, "before", visibility=60)
    await storage.queues.update(queue, put.id, put.pop_receipt, 0, text)
    (message,) = await storage.queues.peek(queue)
    assert message.text == text


@pytest.mark.parametrize("text", ["\x00", "a\x1bb", "\ud800", "\uffff"])
async def test_characters_that_xml_cannot_hold_are_refused_before_sending(
    storage: StorageAccount, queue: str, text: str
) -> None:
    with pytest.raises(InvalidRequest, match=r"U\+.*base64"):
        await storage.queues.put(queue, text)
    assert await storage.queues.message_count(queue) == 0


async def test_a_message_too_large_is_refused(storage: StorageAccount, queue: str) -> None:
    await storage.queues.put(queue, "x" * 65_536)
    with pytest.raises(InvalidRequest) as caught:
        await storage.queues.put(queue, "x" * 65_537)
    assert caught.value.code == "MessageTooLarge"


async def test_an_invisible_message_can_be_deleted_with_the_receipt_of_its_put(
    storage: StorageAccount, queue: str
) -> None:
    put = await storage.queues.put(queue, "mine", visibility=300)
    assert await storage.queues.get(queue) == []
    await storage.queues.delete(queue, put.id, put.pop_receipt)
    assert await storage.queues.message_count(queue) == 0


async def test_update_gives_a_new_receipt_and_keeps_the_text(storage: StorageAccount, queue: str) -> None:
    put = await storage.queues.put(queue, "kept", visibility=300)
    receipt, next_visible = await storage.queues.update(queue, put.id, put.pop_receipt, 0)
    assert next_visible < put.next_visible
    with pytest.raises((NotFound, InvalidRequest)) as caught:
        await storage.queues.delete(queue, put.id, put.pop_receipt)
    assert caught.value.code in ("PopReceiptMismatch", "MessageNotFound")
    (message,) = await storage.queues.get(queue)
    assert message.text == "kept"
    assert message.pop_receipt != receipt


async def test_times_of_a_message_are_ticks(storage: StorageAccount, queue: str) -> None:
    put = await storage.queues.put(queue, "timed", visibility=100, ttl=1000)
    assert (put.next_visible - put.insertion_time) == 100 * timestamp.TICKS_PER_SECOND
    await storage.queues.update(queue, put.id, put.pop_receipt, 0)
    (message,) = await storage.queues.get(queue, 1, 50)
    assert message.insertion_time == put.insertion_time
    assert message.expiration_time - message.insertion_time == 1000 * timestamp.TICKS_PER_SECOND
    assert message.next_visible > message.insertion_time


async def test_a_message_that_never_expires_is_accepted(storage: StorageAccount, queue: str) -> None:
    await storage.queues.put(queue, "for ever", ttl=-1)
    (message,) = await storage.queues.get(queue)
    assert timestamp.to_datetime(message.expiration_time).year > 9000


async def test_get_takes_as_many_as_asked_for(storage: StorageAccount, queue: str) -> None:
    for number in range(5):
        await storage.queues.put(queue, str(number))
    assert [message.text for message in await storage.queues.get(queue, 3)] == ["0", "1", "2"]
    assert [message.text for message in await storage.queues.get(queue)] == ["3", "4"]
    await storage.queues.clear(queue)
    assert await storage.queues.message_count(queue) == 0


async def test_errors_keep_the_codes_of_the_service(storage: StorageAccount, queue: str) -> None:
    with pytest.raises(NotFound) as missing_queue:
        await storage.queues.get("no-such-queue")
    assert (missing_queue.value.status, missing_queue.value.code) == (404, "QueueNotFound")
    put = await storage.queues.put(queue, "x")
    await storage.queues.delete(queue, put.id, put.pop_receipt)
    with pytest.raises(NotFound) as missing_message:
        await storage.queues.delete(queue, put.id, put.pop_receipt)
    assert missing_message.value.code == "MessageNotFound"
    with pytest.raises(InvalidRequest):
        await storage.queues.create("Not_A_Queue_Name")


def test_carriage_returns_travel_as_references() -> None:
    assert b"a&#xD;\nb" in write_message("a\r\nb")


def test_replies_with_cdata_comments_or_byte_order_mark_are_read() -> None:
    fields = (
        "<MessageId>1</MessageId><InsertionTime>Fri, 03 May 2024 12:30:45 GMT</InsertionTime>"
        "<ExpirationTime>Fri, 03 May 2024 12:30:46 GMT</ExpirationTime><DequeueCount>2</DequeueCount>"
    )
    for text, expected in (
        ("<![CDATA[a<b]]>", "a<b"),
        ("x<!-- c -->", "x"),
        ("&#65;&#x42;&quot;&apos;", "AB\"'"),
    ):
        body = (
            '\ufeff<?xml version="1.0" encoding="utf-8"?><QueueMessagesList><QueueMessage>'
            f"{fields}<MessageText>{text}</MessageText></QueueMessage></QueueMessagesList>"
        )
        (message,) = read_messages(body.encode())
        assert (message.text, message.dequeue_count) == (expected, 2)
    empty = f"<QueueMessagesList><QueueMessage>{fields}<MessageText /></QueueMessage></QueueMessagesList>"
    assert read_messages(empty.encode())[0].text == ""


def test_http_dates_are_read_as_ticks() -> None:
    assert http_ticks("Fri, 03 May 2024 12:30:45 GMT") == timestamp.parse("2024-05-03T12:30:45Z")

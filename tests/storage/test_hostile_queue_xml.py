"""Parsing queue responses that contain hostile messages or come from another server."""

import contextlib

import pytest

from durable_host.storage import InvalidRequest, StorageAccount, StorageUnavailable
from durable_host.storage.queue_xml import read_messages, read_put

BODIES = [b"a&#1;b&#x1b;c", b"a&#0;b", b"a&#xFFFF;b&#xD800;", b"\xff\xfe", b"<![CDATA[a<b]]>"]


@pytest.mark.parametrize("text", BODIES)
async def test_a_message_of_another_program_does_not_block_its_queue(
    storage: StorageAccount, queue: str, text: bytes
) -> None:
    body = b"<QueueMessage><MessageText>" + text + b"</MessageText></QueueMessage>"
    with contextlib.suppress(InvalidRequest):
        await storage.queues._channel.send("POST", f"/{queue}/messages", (), body=body)
    await storage.queues.put(queue, "fine")
    assert [message.text for message in await storage.queues.get(queue)][-1] == "fine"


@pytest.mark.parametrize(
    "body", [b"", b"<html>Sign in<br></html>", b"{}", b"<QueueMessagesList>\x01</QueueMessagesList>"]
)
def test_an_answer_that_is_not_xml_does_not_come_from_the_service(body: bytes) -> None:
    with pytest.raises(StorageUnavailable, match="not XML"):
        read_messages(body)


def test_an_answer_to_a_put_names_the_message() -> None:
    with pytest.raises(StorageUnavailable, match="names no message"):
        read_put(b"<html></html>")

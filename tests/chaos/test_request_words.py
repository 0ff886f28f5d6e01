"""The names of requests to storage in the log of faults."""

import pytest
from yarl import URL

from durable_host.chaos.message_words import InstanceNames
from durable_host.chaos.request_words import RequestNames
from durable_host.durable.model import events as e
from durable_host.durable.model.messages import TaskMessage

pytestmark = pytest.mark.unit

ACCOUNT = "http://127.0.0.1:1/devstoreaccount1"
CHILD = "e3ff142d-1b0b-41ec-9f0d-988186dc0a7c:4"
MESSAGE = (
    "<QueueMessage><MessageId>{}</MessageId><PopReceipt>r</PopReceipt><MessageText>{}</MessageText></QueueMessage>"
)


def names_of_child() -> InstanceNames:
    """The names after the start of a sub-orchestration with a random ID."""
    names = InstanceNames()
    parent = e.ParentInstance("process_order", e.OrchestrationInstance("order-7"), 4)
    child = e.OrchestrationInstance(CHILD)
    names.learn(TaskMessage(e.ExecutionStarted(orchestration_instance=child, parent_instance=parent), child))
    return names


@pytest.mark.parametrize(
    ("path", "body", "instance_id"),
    [
        ("/Instances(PartitionKey='order-7',RowKey='')", b"", "order-7"),
        ("/Instances(PartitionKey='@cart@a',RowKey='')", b"", "@cart@a"),
        ("/Instances", b'{"PartitionKey":"order-7"}', "order-7"),
        ("/Instances", b'{"PartitionKey":"5%25 off"}', "5%25 off"),
        ("/Instances", rb'{"PartitionKey":"a\"b"}', 'a"b'),
        ("/Instances(PartitionKey='up^^a^3b',RowKey='')", b"", "up^a?b"),
        ("/$batch", b"PUT http://x/History(PartitionKey='it%27%27s',RowKey='1') HTTP/1.1", "it's"),
        ("/$batch", b"PUT http://x/History(PartitionKey='order-7',RowKey='1') HTTP/1.1", "order-7"),
        ("/$batch", b"PUT http://x/History(PartitionKey='%40cart%40a',RowKey='1') HTTP/1.1", "@cart@a"),
        ("/control-00/messages", b"<MessageText>{&quot;InstanceId&quot;:&quot;order-7&quot;}</MessageText>", "order-7"),
        ("/control-00/messages", b'<MessageText>{"InstanceId":"it\'s x&amp;y&lt;z&gt;"}</MessageText>', "it's x&y<z>"),
        ("/control-00/messages", rb'<MessageText>{"InstanceId":"a\"b"}</MessageText>', 'a"b'),
    ],
)
def test_a_request_is_named_with_its_instance(path: str, body: bytes, instance_id: str) -> None:
    named = RequestNames(InstanceNames()).words_for("PUT", URL(ACCOUNT + path), body)
    assert named == (f"request PUT {path[1:]} (instance '{instance_id}')", instance_id)


@pytest.mark.parametrize(
    ("address", "instance_id"),
    [
        ("/Instances(PartitionKey='it%27%27s',RowKey='')", "it's"),
        ("/History()?$filter=PartitionKey%20eq%20%27order-7%27%20and%20RowKey%20gt%20%271%27", "order-7"),
        ("/History()?$filter=PartitionKey%20eq%20%27it%27%27s%27", "it's"),
        ("/Partitions(PartitionKey='',RowKey='control-00')", ""),
        ("/Prices(PartitionKey='laptop',RowKey='1')", ""),
        ("/Prices()?$filter=PartitionKey%20eq%20%27laptop%27", ""),
    ],
)
def test_only_rows_of_instances_have_an_instance(address: str, instance_id: str) -> None:
    url = URL(ACCOUNT + address, encoded=True)
    assert RequestNames(InstanceNames()).words_for("GET", url, None)[1] == instance_id


def test_a_request_without_an_instance_is_named_by_its_path() -> None:
    named = RequestNames(InstanceNames()).words_for("GET", URL(f"{ACCOUNT}/orders/messages?numofmessages=32"), None)
    assert named == ("request GET orders/messages", "")


def test_a_child_with_a_random_id_is_named_after_its_parent() -> None:
    requests = RequestNames(names_of_child())
    path = f"/History(PartitionKey='{CHILD}',RowKey='1')"
    words = "request GET History(PartitionKey='order-7/4',RowKey='1') (instance 'order-7/4')"
    assert requests.words_for("GET", URL(ACCOUNT + path), None) == (words, CHILD)
    batch = f"PUT http://x/History(PartitionKey='{CHILD.replace(':', '%3A')}',RowKey='1') HTTP/1.1".encode()
    assert requests.words_for("POST", URL(f"{ACCOUNT}/$batch"), batch) == (
        "request POST $batch (instance 'order-7/4')",
        CHILD,
    )


def test_requests_for_a_received_message_are_named_with_its_instance() -> None:
    requests = RequestNames(InstanceNames())
    messages = [
        MESSAGE.format("m1", '{"InstanceId":"order-7"}'),
        MESSAGE.format("m2", "hello"),
        MESSAGE.format("m3", "{&quot;InstanceId&quot;:&quot;@cart@a&quot;}"),
    ]
    requests.learn(f"<QueueMessagesList>{''.join(messages)}</QueueMessagesList>".encode(), "")
    queue = URL(f"{ACCOUNT}/control-00/messages")
    assert [requests.words_for("DELETE", queue / name, None)[0] for name in ("m1", "m2", "m3", "m4")] == [
        "request DELETE control-00/messages (instance 'order-7')",
        "request DELETE control-00/messages/m2",
        "request DELETE control-00/messages (instance '@cart@a')",
        "request DELETE control-00/messages/m4",
    ]


def test_requests_for_a_sent_message_are_named_with_the_instance_that_it_is_for() -> None:
    requests = RequestNames(InstanceNames())
    requests.learn(b"<QueueMessage><MessageId>m1</MessageId><PopReceipt>r</PopReceipt></QueueMessage>", "order-7")
    words, _ = requests.words_for("DELETE", URL(f"{ACCOUNT}/control-00/messages/m1"), None)
    assert words == "request DELETE control-00/messages (instance 'order-7')"

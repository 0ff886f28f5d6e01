"""The reference of the test kit names every member that tests can use."""

import pytest
from doc_pages import page

from durable_host.testing.activity_double import ActivityDouble
from durable_host.testing.container_handle import ContainerHandle
from durable_host.testing.entity_handle import EntityHandle
from durable_host.testing.event_ledger import EventLedger
from durable_host.testing.function_app import FunctionApp
from durable_host.testing.history_assertions import InstanceHistory
from durable_host.testing.http_client import HttpClient
from durable_host.testing.http_response import HttpResponse
from durable_host.testing.instance_handle import InstanceHandle
from durable_host.testing.output_recorder import OutputRecorder
from durable_host.testing.queue_handle import QueueHandle
from durable_host.testing.table_handle import TableHandle

INTERNAL = {"replacement_of", "count_streams", "open_streams"}
CLASSES = [
    ActivityDouble,
    ContainerHandle,
    EntityHandle,
    EventLedger,
    FunctionApp,
    HttpClient,
    HttpResponse,
    InstanceHandle,
    InstanceHistory,
    OutputRecorder,
    QueueHandle,
    TableHandle,
]


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_member_is_in_the_reference(kind: type) -> None:
    text = page("docs/reference/testing.md").text
    members = {name for name in dir(kind) if not name.startswith("_")} - INTERNAL
    assert {name for name in members if f"`{name}" not in text and f".{name}(" not in text} == set()

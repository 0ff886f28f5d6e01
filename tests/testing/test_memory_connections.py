"""The settings of an app under test: no storage account of the real world is left in them."""

import pytest

from durable_host.config.connections import resolve
from durable_host.config.settings import AppSettings
from durable_host.testing.memory_storage.memory_connections import MemoryPorts, settings_in_memory

PORTS = MemoryPorts(blob=1, queue=2, table=3)
IN_MEMORY = "http://127.0.0.1:2"
KEY = "c2VjcmV0"


def _changed(values: dict[str, str]) -> AppSettings:
    return settings_in_memory(AppSettings(values), PORTS)


@pytest.mark.parametrize(
    ("values", "account"),
    [
        ({"Orders": "UseDevelopmentStorage=true"}, "devstoreaccount1"),
        ({"Orders": f"DefaultEndpointsProtocol=https;AccountName=shop;AccountKey={KEY}"}, "shop"),
        ({"Orders": "QueueEndpoint=https://shop.queue.core.windows.net;SharedAccessSignature=sv=1"}, "shop"),
        ({"Orders__accountName": "shop"}, "shop"),
        ({"Orders:accountName": "shop"}, "shop"),
        ({"Orders__queueServiceUri": "https://shop.queue.core.windows.net", "Orders__credential": "x"}, "shop"),
        ({"Orders__serviceUri": "https://shop.queue.core.windows.net"}, "shop"),
        ({"Orders__endpoint": "https://shop.queue.core.windows.net", "Orders__accountName": ""}, "shop"),
        ({"AzureWebJobsOrders": f"AccountName=shop;AccountKey={KEY}"}, "shop"),
        ({"ConnectionStrings:Orders": f"AccountName=shop;AccountKey={KEY}"}, "shop"),
    ],
)
def test_an_account_is_replaced_by_one_of_the_same_name(values: dict[str, str], account: str) -> None:
    connection = resolve(_changed(values), "Orders")
    assert (connection.account_name, connection.queue_endpoint) == (account, f"{IN_MEMORY}/{account}")
    assert connection.sas is None


def test_the_account_of_the_host_keeps_its_name() -> None:
    assert resolve(_changed({"AzureWebJobsStorage__accountName": "shop"})).account_name == "shop"


def test_parts_of_an_identity_are_gone() -> None:
    changed = _changed({"Orders__accountName": "shop", "Orders__clientSecret": "secret", "OrdersOther": "kept"})
    assert set(changed) == {"Orders", "OrdersOther", "AzureWebJobsStorage"}


@pytest.mark.parametrize(
    "values",
    [
        {"Other__accountName": ""},
        {"Other__serviceUri": "https://shop.service.signalr.net"},
        {"Other__endpoint": "https://shop.openai.azure.com"},
        {"Other__endpoint": "http://[no address"},
    ],
)
def test_sections_of_other_services_are_unchanged(values: dict[str, str]) -> None:
    assert {**values, "AzureWebJobsStorage": PORTS.connection_string()} == dict(_changed(values))


@pytest.mark.parametrize("values", [{}, {"AzureWebJobsStorage": ""}])
def test_an_app_without_storage_gets_an_account(values: dict[str, str]) -> None:
    assert resolve(_changed(values)).account_name == "devstoreaccount1"


@pytest.mark.parametrize(
    "value",
    [
        "Endpoint=sb://shop.servicebus.windows.net/;SharedAccessKeyName=all;SharedAccessKey=a2V5",
        "AccountEndpoint=https://shop.documents.azure.com:443/;AccountKey=a2V5;",
        "InstrumentationKey=1;IngestionEndpoint=https://westeurope.in.applicationinsights.azure.com/",
        "AccountName=shop;AccountKey=not base64",
        "https://shop.example/?endpoint=http://other.example",
        "python",
    ],
)
def test_other_settings_are_unchanged(value: str) -> None:
    assert _changed({"Other": value})["Other"] == value

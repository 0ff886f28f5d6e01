"""Finding the account for a `connection`.

Source: docs/protocol/functions-host-config.md#connections
"""

import pytest

from durable_host.config import AppSettings, ConnectionInvalid, ConnectionMissing
from durable_host.config.connections import DEVELOPMENT_KEY, parse_connection_string, resolve
from durable_host.redaction import redacted

KEY = "c2VjcmV0"
ACCOUNT = f"DefaultEndpointsProtocol=https;AccountName=acc;AccountKey={KEY};EndpointSuffix=core.windows.net"


def named(account: str) -> str:
    return f"AccountName={account};AccountKey={KEY}"


@pytest.mark.parametrize(
    ("settings", "connection", "account"),
    [
        ({"AzureWebJobsStorage": named("a")}, None, "a"),
        ({"AzureWebJobsStorage": named("a")}, "", "a"),
        ({"AzureWebJobsStorage": named("a")}, "Storage", "a"),
        ({"AzureWebJobsStorage": named("a")}, "AzureWebJobsStorage", "a"),
        ({"azurewebjobsstorage": named("a")}, "storage", "a"),
        ({"AzureWebJobsMyConn": named("a")}, "MyConn", "a"),
        ({"MyConn": named("a")}, "MyConn", "a"),
        ({"MyConn": named("a"), "AzureWebJobsMyConn": named("b")}, "MyConn", "b"),
        ({"ConnectionStrings:MyConn": named("a")}, "MyConn", "a"),
        ({"ConnectionStrings:MyConn": named("a"), "MyConn": named("b")}, "MyConn", "a"),
        ({"ConnectionStrings:AzureWebJobsMyConn": named("a"), "AzureWebJobsMyConn": named("b")}, "MyConn", "a"),
        ({"ConnectionStrings:MyConn": named("a"), "AzureWebJobsMyConn": named("b")}, "MyConn", "b"),
        ({"MyConn__accountName": "a"}, "MyConn", "a"),
        ({"AzureWebJobsStorage:accountName": "a"}, None, "a"),
    ],
)
def test_setting_is_found_in_the_order_of_the_reference(settings: dict, connection: str | None, account: str):
    assert resolve(AppSettings(settings), connection).account_name == account


@pytest.mark.parametrize("settings", [{}, {"AzureWebJobsX": ""}, {"AzureWebJobsStorage": named("a")}])
def test_missing_setting_is_named_with_the_prefix(settings: dict):
    with pytest.raises(ConnectionMissing) as caught:
        resolve(AppSettings(settings), "X")
    assert caught.value.message == (
        "Storage account connection string 'AzureWebJobsX' does not exist. Make sure that it is a defined App Setting."
    )


def test_development_storage_is_the_well_known_account():
    connection = parse_connection_string("UseDevelopmentStorage=true")
    assert connection.account_name == "devstoreaccount1"
    assert connection.account_key == DEVELOPMENT_KEY
    assert connection.blob_endpoint == "http://127.0.0.1:10000/devstoreaccount1"
    assert connection.queue_endpoint == "http://127.0.0.1:10001/devstoreaccount1"
    assert connection.table_endpoint == "http://127.0.0.1:10002/devstoreaccount1"
    assert connection.is_development


def test_development_proxy_replaces_scheme_and_host():
    connection = parse_connection_string("usedevelopmentstorage=TRUE;DevelopmentStorageProxyUri=https://azurite")
    assert connection.queue_endpoint == "https://azurite:10001/devstoreaccount1"


def test_account_endpoints_consist_of_name_and_suffix():
    connection = parse_connection_string(ACCOUNT)
    assert connection.blob_endpoint == "https://acc.blob.core.windows.net"
    assert connection.queue_endpoint == "https://acc.queue.core.windows.net"
    assert connection.table_endpoint == "https://acc.table.core.windows.net"
    assert (connection.account_key, connection.sas, connection.is_development) == (KEY, None, False)


def test_explicit_endpoints_win():
    connection = parse_connection_string(f"{ACCOUNT};QueueEndpoint=http://localhost:1/acc/")
    assert connection.queue_endpoint == "http://localhost:1/acc"
    assert connection.blob_endpoint == "https://acc.blob.core.windows.net"


def test_shared_access_signature_comes_with_endpoints():
    connection = parse_connection_string(
        "BlobEndpoint=https://acc.blob.core.windows.net/;SharedAccessSignature=?sv=2022-11-02&sig=a%3D"
    )
    assert connection.account_name == "acc"
    assert connection.sas == "sv=2022-11-02&sig=a%3D"
    assert connection.account_key is None
    assert connection.queue_endpoint is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("hello", "not of the form Name=Value"),
        ("AccountKey=c2VjcmV0", "neither an AccountName nor endpoints"),
        ("AccountName=a", "neither an AccountKey nor a SharedAccessSignature"),
        ("AccountName=a;AccountKey=%%SECRET", "AccountKey is not base64"),
        ("AccountName=a;AccountKey=c2VjcmV0;DefaultEndpointsProtocol=ftp", "neither http nor https"),
        ("BlobEndpoint=acc.blob;SharedAccessSignature=SECRET", "not an http address"),
        ("UseDevelopmentStorage=true;DevelopmentStorageProxyUri=azurite", "DevelopmentStorageProxyUri"),
    ],
)
def test_nonsense_is_refused_without_showing_the_secret(text: str, problem: str):
    with pytest.raises(ConnectionInvalid) as caught:
        parse_connection_string(text, "MyConn")
    assert "'MyConn'" in caught.value.message
    assert problem in caught.value.message
    assert "SECRET" not in str(caught.value) + str(caught.value.remedy)


def test_identity_section_gives_endpoints_and_credential():
    connection = resolve(
        AppSettings({"C__accountName": "acc", "C__credential": "managedidentity", "C__CLIENTID": "42"}), "C"
    )
    assert connection.queue_endpoint == "https://acc.queue.core.windows.net"
    assert connection.credential_settings == (("credential", "managedidentity"), ("clientId", "42"))
    assert connection.account_key is None


def test_service_addresses_of_an_identity_section():
    connection = resolve(AppSettings({"C__queueServiceUri": "https://acc.queue.core.windows.net/"}), "C")
    assert connection.account_name == "acc"
    assert connection.queue_endpoint == "https://acc.queue.core.windows.net"
    assert connection.blob_endpoint is None


def test_account_name_wins_over_service_addresses():
    settings = AppSettings({"C__accountName": "acc", "C__blobServiceUri": "https://other.blob.core.windows.net"})
    assert resolve(settings, "C").blob_endpoint == "https://acc.blob.core.windows.net"


def test_identity_section_without_an_account_is_refused():
    with pytest.raises(ConnectionInvalid, match="do not name a storage account"):
        resolve(AppSettings({"C__credential": "managedidentity"}), "C")


def test_repr_shows_no_secret():
    assert KEY not in repr(parse_connection_string(ACCOUNT))


def test_advice_about_a_connection_string_is_not_a_secret_in_the_eyes_of_the_log():
    with pytest.raises(ConnectionInvalid) as caught:
        parse_connection_string("nonsense")
    remedy = caught.value.remedy or ""
    assert redacted(remedy) == remedy

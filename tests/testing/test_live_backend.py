"""The backend of live apps, with a host and an Azurite that are not started."""

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from durable_host.config import AppSettings
from durable_host.config.connection import Connection
from durable_host.errors import ConfigurationError
from durable_host.storage.azurite import connection_string
from durable_host.testing import LiveFunctionApp
from durable_host.testing.app_choice import app_choice
from durable_host.testing.kit_patience import SETTING
from durable_host.testing.live import live_backend, live_storage
from durable_host.testing.live.live_process import LiveHostFailed
from durable_host.testing.live.live_storage import LiveStorage, RealAccount

pytestmark = pytest.mark.unit


class Storage:
    """Stands in for Azurite."""

    def settings_for(self, settings: Any) -> Mapping[str, str]:
        return {}

    async def clear(self) -> None: ...

    def stop(self) -> None: ...


class Process:
    """Stands in for a host."""

    def stop(self) -> None: ...


@pytest.fixture
def live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LiveFunctionApp:
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    (tmp_path / "function_app.py").touch()
    monkeypatch.setattr(live_backend, "LiveStorage", Storage)
    monkeypatch.setattr(live_backend.LiveBackend, "_started", lambda _: Process())
    return LiveFunctionApp(tmp_path)


def test_after_a_host_that_did_not_start_the_next_test_starts_one(
    live: LiveFunctionApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: Any) -> None:
        raise LiveHostFailed("The host of the live app did not start.")

    with monkeypatch.context() as context:
        context.setattr(live_backend.LiveBackend, "_started", fails)
        with pytest.raises(LiveHostFailed):
            live.reset()
    live.reset().close()


def test_a_patience_that_is_not_a_number_is_refused_before_the_host_starts(
    live: LiveFunctionApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_backend.LiveBackend, "_started", lambda _: pytest.fail("The host has started."))
    with pytest.raises(ConfigurationError, match=f"'{SETTING}' is 'soon'") as failed:
        LiveFunctionApp(tmp_path, settings={SETTING: "soon"})
    assert failed.value.__notes__[0] == "code: DH1002"


def test_a_report_that_fails_lets_the_app_wait_again(live: LiveFunctionApp, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, bool]] = []
    monkeypatch.setattr(live._backend, "_call", lambda *call: calls.append(call))
    with pytest.raises(ZeroDivisionError), live._backend.at_once():
        raise ZeroDivisionError
    assert calls == [("read_at_once", True), ("read_at_once", False)]


def test_the_error_of_a_report_is_not_replaced(live: LiveFunctionApp, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(name: str, at_once: bool) -> None:
        if not at_once:
            raise TimeoutError

    monkeypatch.setattr(live._backend, "_call", fails)
    with pytest.raises(ZeroDivisionError), live._backend.at_once():
        raise ZeroDivisionError


def test_a_closed_app_stays_closed(live: LiveFunctionApp) -> None:
    live.close()
    live.close()
    with pytest.raises(RuntimeError, match="The app is closed"):
        live.reset()


KEY = "c2VjcmV0"


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("Archive", {"Archive": f"DefaultEndpointsProtocol=https;AccountName=shop;AccountKey={KEY}"}),
        ("Archive", {"Archive": "BlobEndpoint=https://shop.blob.core.windows.net;SharedAccessSignature=sv=1"}),
        ("AzureWebJobsArchive", {"AzureWebJobsArchive": f"AccountName=shop;AccountKey={KEY}"}),
        ("Archive", {"Archive__accountName": "shop"}),
        ("Archive", {"Archive__queueServiceUri": "https://shop.queue.core.windows.net"}),
        ("Archive", {"Archive__serviceUri": "https://shop.blob.core.windows.net"}),
        ("Archive", {"Archive:endpoint": "https://shop.table.core.windows.net"}),
        ("Archive", {"Archive": "https://shop.blob.core.windows.net/c?sv=2024-01-01&sig=x"}),
        ("Archive__url", {"Archive__url": "https://shop.queue.core.windows.net/"}),
    ],
)
def test_a_setting_with_a_real_account_is_refused_by_name_unless_it_is_allowed(
    live: LiveFunctionApp, tmp_path: Path, name: str, settings: Mapping[str, str]
) -> None:
    with pytest.raises(RealAccount, match=f"The setting '{name}' names the storage account 'shop'") as failed:
        LiveFunctionApp(tmp_path, settings=settings)
    assert failed.value.__notes__[0] == "code: DH1008"
    assert f'real_accounts=["{name}"]' in failed.value.__notes__[-1]
    LiveFunctionApp(tmp_path, settings=settings, real_accounts=[name.lower()]).close()


def test_all_settings_with_real_accounts_are_named(live: LiveFunctionApp, tmp_path: Path) -> None:
    settings = {
        "Archive": f"AccountName=old;AccountKey={KEY}",
        "Backup__accountName": "copies",
        "Shop": f"AccountName=shop;AccountKey={KEY}",
    }
    with pytest.raises(RealAccount) as failed:
        LiveFunctionApp(tmp_path, settings=settings, real_accounts=["Shop"])
    assert failed.value.message == (
        "The setting 'Archive' names the storage account 'old', and the setting 'Backup' names the storage account "
        "'copies', and a live test would use them."
    )
    assert 'real_accounts=["Archive", "Backup"]' in failed.value.__notes__[-1]


def test_a_text_is_not_a_list_of_accounts(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="list of names"):
        LiveFunctionApp(tmp_path, real_accounts="Archive")


@pytest.mark.parametrize(("accounts", "chosen"), [(None, ("Shop",)), ([], ()), (["Archive"], ("Archive",))])
def test_a_mark_overrides_the_accounts_of_the_ini_file(
    live: LiveFunctionApp, tmp_path: Path, accounts: list[str] | None, chosen: tuple[str, ...]
) -> None:
    ini: dict[str, list[str]] = {"durable_host_real_accounts": ["Shop"]}
    config = SimpleNamespace(
        getoption=lambda _: None, getini=lambda name: ini.get(name, []), inipath=None, rootpath="."
    )
    mark = pytest.mark.function_app(real_accounts=accounts).mark
    item: Any = SimpleNamespace(config=config, path=tmp_path / "test_it.py", iter_markers=lambda _: [mark])
    assert app_choice(item).real_accounts == chosen


AZURITE = Connection(
    account_name="devstoreaccount1",
    blob_endpoint="http://127.0.0.1:1/devstoreaccount1",
    queue_endpoint="http://127.0.0.1:2/devstoreaccount1",
    table_endpoint="http://127.0.0.1:3/devstoreaccount1",
    account_key=KEY,
)


@pytest.mark.parametrize(
    ("settings", "replaced"),
    [
        ({"Orders": "UseDevelopmentStorage=true"}, {}),
        ({"Orders__blobServiceUri": "http://127.0.0.1:10000/devstoreaccount1"}, {"Orders__blobServiceUri": 1}),
        ({"Orders:queueServiceUri": "http://127.0.0.1:10001/devstoreaccount1"}, {"Orders:queueServiceUri": 2}),
        ({"Orders__serviceUri": "http://127.0.0.1:10002/devstoreaccount1"}, {"Orders__serviceUri": 3}),
        ({"Orders__endpoint": "http://127.0.0.1:10000/devstoreaccount1"}, {"Orders__endpoint": 1}),
        (
            {
                "Orders": "UseDevelopmentStorage=true",
                "AzureWebJobsStorage__accountName": "shop",
                "AzureWebJobsStorage__queueServiceUri": "https://shop.queue.core.windows.net",
            },
            {"AzureWebJobsStorage__accountName": None, "AzureWebJobsStorage__queueServiceUri": 2},
        ),
    ],
)
def test_development_accounts_refer_to_the_azurite_of_the_test(
    monkeypatch: pytest.MonkeyPatch, settings: Mapping[str, str], replaced: Mapping[str, int | None]
) -> None:
    monkeypatch.setattr(live_storage, "free_connection", lambda: AZURITE)
    monkeypatch.setattr(live_storage, "start_azurite", lambda _: None)
    found = LiveStorage().settings_for(AppSettings(settings))
    parts = {
        name: "devstoreaccount1" if port is None else f"http://127.0.0.1:{port}/devstoreaccount1"
        for name, port in replaced.items()
    }
    assert found == {**dict.fromkeys(["AzureWebJobsStorage", "Orders"], connection_string(AZURITE)), **parts}


@pytest.mark.parametrize("name", ["Archive__accountName", "Archive__blobServiceUri"])
def test_an_empty_part_names_no_account(live: LiveFunctionApp, tmp_path: Path, name: str) -> None:
    LiveFunctionApp(tmp_path, settings={name: ""}).close()


def test_development_accounts_and_other_services_are_fine(live: LiveFunctionApp, tmp_path: Path) -> None:
    settings = {
        "AzureWebJobsStorage": f"DefaultEndpointsProtocol=https;AccountName=shop;AccountKey={KEY}",
        "Archive": "UseDevelopmentStorage=true",
        "Signals__serviceUri": "https://shop.service.signalr.net",
        "Model__endpoint": "https://shop.openai.azure.com",
        "Events": "Endpoint=sb://shop.servicebus.windows.net/;SharedAccessKeyName=a;SharedAccessKey=b",
    }
    LiveFunctionApp(tmp_path, settings=settings).close()


def test_a_folder_without_an_app_is_refused_in_the_words_of_tests(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as failed:
        LiveFunctionApp(tmp_path)
    assert "func start" not in "".join(failed.value.__notes__)
    assert "FunctionApp(PATH)" in failed.value.__notes__[-1]

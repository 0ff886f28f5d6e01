"""The backend of live apps, with a host and an Azurite that are not started."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from durable_host.errors import ConfigurationError
from durable_host.testing import LiveFunctionApp
from durable_host.testing.live import live_backend
from durable_host.testing.live.live_process import LiveHostFailed
from durable_host.testing.live.live_storage import RealAccount

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


def test_development_accounts_and_other_services_are_fine(live: LiveFunctionApp, tmp_path: Path) -> None:
    settings = {
        "AzureWebJobsStorage": f"DefaultEndpointsProtocol=https;AccountName=shop;AccountKey={KEY}",
        "Archive": "UseDevelopmentStorage=true",
        "Events": "Endpoint=sb://shop.servicebus.windows.net/;SharedAccessKeyName=a;SharedAccessKey=b",
    }
    LiveFunctionApp(tmp_path, settings=settings).close()


def test_a_folder_without_an_app_is_refused_in_the_words_of_tests(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as failed:
        LiveFunctionApp(tmp_path)
    assert "func start" not in "".join(failed.value.__notes__)
    assert "FunctionApp(PATH)" in failed.value.__notes__[-1]

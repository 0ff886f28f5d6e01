"""The backend of live apps, with a host and an Azurite that are not started."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from durable_host.testing import LiveFunctionApp
from durable_host.testing.live import live_backend
from durable_host.testing.live.live_process import LiveHostFailed

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

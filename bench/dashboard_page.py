"""The dashboard's page on a full task hub: `python -m bench.dashboard_page [--instances 50000] [--screenshots FOLDER]`.

Fills a hub in SQLite, opens the page in Chromium, and prints when the list is painted and how many bytes were sent.
With `--screenshots`, every view is saved in both themes, 1440 and 1024 pixels wide.
"""

import argparse
import asyncio
import json
import shutil
import tempfile
import time
import urllib.request
import uuid
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from bench.command import run_command
from bench.running_host import RunningHost
from durable_host.clock import SystemClock
from durable_host.durable.model.instance import InstanceState
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.taskhub.sqlite import SqliteTaskHub, instances
from durable_host.storage.azurite import connection_string, free_connection, start_azurite
from durable_host.timestamp import TICKS_PER_SECOND

APP = Path(__file__).parent / "dashboard_app"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
SIZES = (1440, 1024)
THEMES = ("light", "dark")
PAINTED = "tbody tr"
FULL = "reconciliation-2026-q3-all-warehouses-of-the-western-region"
LONG = "import-2026-11-legacy-customers"
VIEWS = {
    "instances": "instances",
    "selected": "instances?status=Failed,Running",
    "failures": "instances?view=failures",
    "empty": "instances?prefix=nothing-begins-like-this",
    "waiting": "instances/approval-laptop",
    "full": f"instances/{FULL}",
    "timeline": f"instances/{FULL}/timeline",
    "sequence": f"instances/{FULL}/sequence",
    "failed": "instances/order-1003",
    "history": f"instances/{LONG}/history?event=2",
    "events": "instances/approval-laptop/events",
    "logs": "instances/order-1003/logs",
    "compare": "compare?a=order-1001&b=order-1003",
    "entities": "entities/counter/inventory",
    "queues": "queues/approval-queue-poison",
    "functions": "functions/StartApproval",
    "hub": "hub",
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--instances", type=int, default=50_000)
    parser.add_argument("--hub", choices=("sqlite", "azure"), default="sqlite", help="azure: without --instances")
    parser.add_argument("--screenshots", type=Path)
    options = parser.parse_args()
    connection = free_connection()
    azurite = start_azurite(connection)
    try:
        with tempfile.TemporaryDirectory() as folder:
            _run(options, connection_string(connection), Path(folder))
    finally:
        azurite.stop()
    return 0


def _run(options: argparse.Namespace, storage: str, folder: Path) -> None:
    hub = "Warehouse"
    if options.hub == "sqlite":
        asyncio.run(_write_rows(folder / "hub.db", hub, options.instances))
    host = RunningHost(storage, hub, folder / "bench", app=APP, settings=_settings(options.hub, folder, hub))
    try:
        _fill(host)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
            _measure(browser, host)
            if options.screenshots is not None:
                options.screenshots.mkdir(parents=True, exist_ok=True)
                _take_screenshots(browser, host, options.screenshots)
            browser.close()
    finally:
        host.stop()


def _settings(hub: str, folder: Path, name: str) -> dict[str, str]:
    """Settings of the host: its hub, and a file for one in SQLite."""
    prefix = "AzureFunctionsJobHost__extensions__durableTask__"
    if hub == "azure":
        return {f"{prefix}hubName": name}
    provider = f"{prefix}storageProvider__"
    return {f"{prefix}hubName": name, f"{provider}type": "sqlite", f"{provider}path": str(folder / "hub.db")}


async def _write_rows(path: Path, name: str, count: int) -> None:
    """Instances that have ended, one second apart."""
    hub = SqliteTaskHub(path, name, SystemClock())
    await hub.create()
    now = SystemClock().now()
    statuses = (OrchestrationStatus.Completed,) * 8 + (OrchestrationStatus.Failed, OrchestrationStatus.Terminated)
    states = []
    for number in range(count):
        created = now - (count - number + 600) * TICKS_PER_SECOND
        states.append(
            InstanceState(
                instance_id=f"{uuid.uuid4().hex}",
                execution_id=uuid.uuid4().hex,
                name=("ProcessOrder", "BudgetApproval", "ReconcileOneRegion")[number % 3],
                runtime_status=statuses[number % len(statuses)],
                created_time=created,
                last_updated_time=created + 3 * TICKS_PER_SECOND,
                completed_time=created + 3 * TICKS_PER_SECOND,
                input='{"item": "laptop", "quantity": 1}',
                output='"done"',
            )
        )
    for first in range(0, count, 5000):
        part = states[first : first + 5000]

        def write(connection: Any, part: list[InstanceState] = part) -> None:
            for state in part:
                instances.replace(connection, state)

        await hub._database.run(write)
    await hub.close()


def _fill(host: RunningHost) -> None:
    """Run the orchestrations of the app, and wait until they are where the screenshots show them."""
    for number, item in enumerate(("laptop", "standing desk", "monitor", "conference travel")):
        identity = "approval-laptop" if number == 0 else f"approval-2026-{number:04d}"
        _start(host, "BudgetApproval", identity, {"item": item, "amount": 450 * (number + 1)})
    for number in range(12):
        order = {"item": "keyboard", "quantity": number + 1, "available": 3 if number % 4 == 3 else 99}
        _start(host, "ProcessOrder", f"order-{1000 + number}", order)
    _start(host, "QuarterlyInventoryReconciliation", FULL)
    _start(host, "ImportEveryRecordOfTheLegacyCustomerDatabaseIntoTheNewSystem", LONG)
    _post(host, "/runtime/webhooks/durabletask/entities/Counter/inventory?op=add", "40")
    _wait(host, LONG, "Completed")
    _wait_for_waits(host, FULL)
    _post(host, "/runtime/webhooks/durabletask/instances/approval-laptop/raiseEvent/approval", {"approved": True})
    _act(host, "POST", "queues/approval-queue/messages", {"text": "approval-2025-9999"})
    time.sleep(3)


def _start(host: RunningHost, name: str, instance_id: str, data: Any = None) -> None:
    _post(host, f"/runtime/webhooks/durabletask/orchestrators/{name}/{instance_id}", data)


def _post(host: RunningHost, path: str, data: Any, headers: dict[str, str] | None = None) -> None:
    body = b"" if data is None else json.dumps(data).encode()
    request = urllib.request.Request(
        host.base + path, body, {"Content-Type": "application/json", **(headers or {})}, method="POST"
    )
    urllib.request.urlopen(request, timeout=60).read()


def _get(host: RunningHost, path: str) -> Any:
    with urllib.request.urlopen(f"{host.base}/_df/api/{path}", timeout=60) as answer:
        return json.load(answer)


def _act(host: RunningHost, method: str, path: str, body: Any) -> None:
    _post(host, f"/_df/api/{path}", body, {"X-DF-Token": _get(host, "session")["token"]})


def _wait(host: RunningHost, instance_id: str, status: str) -> None:
    while _get(host, f"instances/{instance_id}")["status"] != status:
        time.sleep(0.5)


def _wait_for_waits(host: RunningHost, instance_id: str) -> None:
    while not any(wait["kind"] == "event" for wait in _get(host, f"instances/{instance_id}")["waits"]):
        time.sleep(0.5)


def _measure(browser: Browser, host: RunningHost) -> None:
    page = browser.new_page()
    for visit in ("first visit", "later visit"):
        begun = time.perf_counter()
        page.goto(f"{host.base}/_df/instances")
        page.locator(PAINTED).first.wait_for()
        listed = time.perf_counter() - begun
        first = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0")
        sizes = page.evaluate(
            "performance.getEntriesByType('resource').concat(performance.getEntriesByType('navigation'))"
            ".map((entry) => entry.transferSize)"
        )
        print(
            f"{visit}: first paint after {first:.0f} ms, list after {listed * 1000:.0f} ms, "
            f"{sum(sizes) / 1024:.0f} KB in {len(sizes)} responses"
        )
    page.close()


def _take_screenshots(browser: Browser, host: RunningHost, folder: Path) -> None:
    for theme in THEMES:
        for width in SIZES:
            context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)
            page = context.new_page()
            for name, view in VIEWS.items():
                page.goto(f"{host.base}/_df/{view}")
                page.locator(".page-head").wait_for()
                page.wait_for_timeout(1000)
                _prepare(page, name)
                page.screenshot(path=str(folder / f"{name}-{width}-{theme}.png"))
            context.close()


def _prepare(page: Page, name: str) -> None:
    """Open what a view shows only after a click."""
    if name == "selected":
        for number in range(3):
            page.locator("tbody input[type=checkbox]").nth(number).check()
    elif name == "failures":
        page.locator(".group-head").first.click()
    elif name == "timeline":
        page.get_by_role("button", name="AskSupplier").first.click()
    page.wait_for_timeout(300)


if __name__ == "__main__":
    run_command(main)

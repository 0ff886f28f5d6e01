"""A Node.js app on a host that injects faults."""

import re
from typing import Any

from host_process import HostProcess, until

APP = """
const { app } = require("@azure/functions");
const df = require("durable-functions");
const fs = require("fs");

df.app.orchestration("order", function* (context) {
    const paid = yield context.df.callActivity("charge", context.df.instanceId);
    const approval = yield context.df.waitForExternalEvent("Approval");
    const parts = yield context.df.Task.all([0, 1, 2].map((part) => context.df.callActivity("charge", part)));
    return [paid, approval, parts];
});
df.app.activity("charge", { handler: (what) => { fs.appendFileSync("ran", `${what}\\n`); return what; } });
"""
CHAOS = "duplicate-events=1,redeliver-activities=0.5,delay=0..100ms,kill-worker=0.06,lose-lease=0.2"
MANAGEMENT = "/runtime/webhooks/durabletask"
ORDERS = [f"order-{number}" for number in range(3)]


def test_node_apps_lose_nothing_under_faults(start_node_host: Any) -> None:
    arguments = ("--task-hub", "sqlite", "--chaos", CHAOS, "--chaos-seed", "7")
    host: HostProcess = start_node_host({"src/index.js": APP}, *arguments, package={"main": "src/index.js"})
    for order in ORDERS:
        host.post(f"{MANAGEMENT}/orchestrators/order/{order}").raise_for_status()
        host.post(f"{MANAGEMENT}/instances/{order}/raiseEvent/Approval", json="yes").raise_for_status()

    def outputs() -> list[Any] | None:
        found = [host.status(order) for order in ORDERS]
        assert all(one["runtimeStatus"] in ("Pending", "Running", "Completed") for one in found), found
        return [one["output"] for one in found] if all(one["runtimeStatus"] == "Completed" for one in found) else None

    assert until(outputs, 100, host) == [[order, "yes", [0, 1, 2]] for order in ORDERS]
    for fault in ("is delivered a second time", "is delayed by", "worker process is killed", "is lost and acquired"):
        assert any(re.search(f"Chaos: .*{fault}", line) for line in host.lines), fault
    assert len((host.root / "ran").read_text().splitlines()) > 4 * len(ORDERS)

"""A real host that loses nothing under all faults: `func start --chaos`."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from host_process import HostProcess, hub_settings, until, write_app
from v2_environment import v2_interpreter

APP = """
from datetime import timedelta

import azure.durable_functions as df
import azure.functions as func

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.orchestration_trigger(context_name="context")
def order(context):
    paid = yield context.call_activity("charge", context.instance_id)
    deadline = context.create_timer(context.current_utc_datetime + timedelta(days=1))
    approval = context.wait_for_external_event("Approval")
    winner = yield context.task_any([deadline, approval])
    if winner is not approval:
        return "too late"
    deadline.cancel()
    parts = yield context.task_all([context.call_activity("ship", number) for number in range(3)])
    child = yield context.call_sub_orchestrator("billing", context.instance_id)
    return [paid, parts, child]


@app.orchestration_trigger(context_name="context")
def billing(context):
    return (yield context.call_activity("charge", "bill"))


def ran(name):
    with open("ran", "a") as file:
        file.write(f"{name}\\n")


@app.activity_trigger(input_name="what")
def charge(what: str) -> str:
    ran(f"charge {what}")
    return f"charged {what}"


@app.activity_trigger(input_name="number")
def ship(number: int) -> int:
    ran(f"ship {number}")
    return number
"""
CHAOS = (
    "duplicate-events=0.5,redeliver-activities=0.3,delay=0..200ms,kill-worker=0.05,lose-lease=0.1,storage-errors=0.03"
)
MANAGEMENT = "/runtime/webhooks/durabletask"
ORDERS = [f"order-{number}" for number in range(6)]


@pytest.fixture(scope="module", params=["1.x on Azurite", "2.x on SQLite"])
def host(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, connection_string: str
) -> Iterator[HostProcess]:
    arguments = ["--chaos", CHAOS, "--chaos-seed", "7"]
    arguments += ["--python", str(v2_interpreter())] if request.param.startswith("2.x") else []
    arguments += ["--task-hub", "sqlite"] if request.param.endswith("SQLite") else []
    host = HostProcess(
        write_app(tmp_path_factory.mktemp("chaos"), {"function_app.py": APP}), hub_settings(connection_string)
    )
    yield host.start(*arguments)
    host.end()


def test_no_instance_is_lost_and_each_fault_is_a_line(host: HostProcess) -> None:
    begins = [line for line in host.lines if line.startswith("Chaos: ")]
    assert [line.split()[-2:] for line in begins] == [["--chaos-seed", "7"]]
    for order in ORDERS:
        ask(host, "POST", f"{MANAGEMENT}/orchestrators/order/{order}", (200, 201, 202, 409))
    for order in ORDERS:
        ask(host, "POST", f"{MANAGEMENT}/instances/{order}/raiseEvent/Approval", (202, 410), json="yes")
    for order in ORDERS:
        assert until(lambda order=order: ended(host, order), 100, host)["output"] == [
            f"charged {order}",
            [0, 1, 2],
            "charged bill",
        ]
    assert host.stop() == 0
    faults = [line.partition("Chaos: ")[2] for line in host.lines if "] Chaos: " in line]
    for expected in (
        r"The event 'Approval' for instance 'order-\d' is delivered a second time\.",
        r"The activity '\w+' \(task \d\) of instance 'order-\d' is delivered a second time, .+",
        r"The event 'Approval' for instance 'order-\d' is delayed by [\d.]+ s\.",
        r"The worker process is killed .+ the function '\w+' of instance 'order-\d(/\d)?'\.",
        r"The session of instance 'order-\d(/\d)?' is lost and acquired again\.",
        r"Storage .+",
    ):
        assert any(re.fullmatch(expected, fault) for fault in faults), (expected, faults)
    ran = (host.root / "ran").read_text().splitlines()
    assert len(ran) > len(ORDERS) * 5
    summary = next(line for line in host.lines if "Chaos ends after" in line)
    assert summary.endswith(f"{begins[0].removeprefix('Chaos:').strip()}")
    assert int(summary.partition("after ")[2].split()[0]) == len(faults) - 1  # The last line is about the instances.
    assert re.fullmatch(r"Faults happened to \d+ instances: \d+ Completed\.", faults_after(host, summary))


def ask(host: HostProcess, method: str, path: str, wanted: tuple[int, ...], **options: Any) -> None:
    """Ask again while storage fails, like a client with retries."""
    until(lambda: host.request(method, path, **options).status_code in wanted, 30, host)


def ended(host: HostProcess, instance_id: str) -> dict[str, Any] | None:
    response = host.get(f"{MANAGEMENT}/instances/{instance_id}")
    if response.status_code not in (200, 202):
        return None
    status = response.json()
    assert status["runtimeStatus"] in ("Pending", "Running", "Completed"), status
    return status if status["runtimeStatus"] == "Completed" else None


def faults_after(host: HostProcess, line: str) -> str:
    return host.lines[host.lines.index(line) + 1].partition("Chaos: ")[2]

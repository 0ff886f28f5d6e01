"""Timers of more than six days, due times in other time zones, and calls without input, in a real worker."""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from durable_host.testing import VirtualHost

APP = """
from datetime import datetime, timedelta, timezone

import azure.durable_functions as df

app = df.DFApp()


@app.orchestration_trigger(context_name="context")
def approval(context):
    expired = context.create_timer(context.current_utc_datetime + timedelta(days=14))
    approved = context.wait_for_external_event("Approval")
    yield context.task_any([approved, expired])
    expired.cancel()  # the place
    return "approved"


@app.orchestration_trigger(context_name="context")
def in_zone(context):
    zone = timezone(timedelta(hours=context.get_input()))
    due = context.current_utc_datetime.replace(tzinfo=timezone.utc) + timedelta(hours=1)
    yield context.create_timer(due.astimezone(zone))  # the zone
    return context.current_utc_datetime.isoformat()


@app.orchestration_trigger(context_name="context")
def naive(context):
    yield context.create_timer(datetime(2024, 1, 2))


@app.orchestration_trigger(context_name="context")
def without_input(context):
    given = yield context.call_activity("greet", "you")
    nothing = yield context.call_activity("greet")
    return [given, nothing]


@app.activity_trigger(input_name="name")
def greet(name="nobody"):
    return repr(name)
"""
START = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.WARNING)
    return caplog


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("app")
    (root / "function_app.py").write_text(APP)
    (root / "host.json").write_text('{"version": "2.0"}')
    return root


@pytest.fixture
def host(root: Path) -> Iterator[VirtualHost]:
    with VirtualHost(root, settings={"AzureWebJobsStorage": "UseDevelopmentStorage=true"}, start=START) as host:
        yield host


def warnings(log: pytest.LogCaptureFixture, code: str) -> list[str]:
    return [record.getMessage() for record in log.records if record.getMessage().startswith(code)]


def line_of(comment: str) -> int:
    return next(number for number, line in enumerate(APP.splitlines(), 1) if comment in line)


def test_a_long_timer_is_not_cancelled_and_the_cancel_says_so(
    host: VirtualHost, root: Path, log: pytest.LogCaptureFixture
) -> None:
    instance_id = host.start("approval")
    host.advance(minutes=1)
    host.raise_event(instance_id, "Approval")
    assert host.status(instance_id).status == "Running"
    [told] = warnings(log, "DH6144")
    assert f"instance '{instance_id}'" in told
    assert f"({root / 'function_app.py'}:{line_of('# the place')} in approval)" in told
    assert "stays Running until 2024-01-04T00:00:00Z" in told
    host.advance(days=2)
    assert host.status(instance_id).status == "Running"
    ended = host.wait(instance_id)
    assert (ended.status, ended.output) == ("Completed", "approved")
    assert timedelta(days=3) <= host.now - START < timedelta(days=3, seconds=2)
    assert len(warnings(log, "DH6144")) == 1


@pytest.mark.parametrize(("offset", "hours"), [(5, 6), (-5, 0), (0, 1)])
def test_a_due_time_loses_its_offset(
    host: VirtualHost, root: Path, log: pytest.LogCaptureFixture, offset: int, hours: int
) -> None:
    instances = [host.start("in_zone", offset) for _ in range(2)]
    for instance_id in instances:
        fired = datetime.fromisoformat(host.wait(instance_id).output).replace(tzinfo=UTC)
        assert timedelta(hours=hours) <= fired - START < timedelta(hours=hours, minutes=1)
    told = warnings(log, "DH6145")
    assert len(told) == (1 if offset else 0)
    assert all(f"{root / 'function_app.py'}:{line_of('# the zone')} in in_zone" in line for line in told)


def test_a_due_time_without_time_zone_fails_as_in_azure(host: VirtualHost) -> None:
    assert host.wait(host.start("naive")).output == (
        "Orchestrator function 'naive' failed: can't compare offset-naive and offset-aware datetimes"
    )


def test_an_activity_called_without_an_input_gets_none_whatever_its_default(host: VirtualHost) -> None:
    assert host.wait(host.start("without_input")).output == ["'you'", "None"]

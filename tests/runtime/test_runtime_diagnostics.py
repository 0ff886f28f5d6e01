"""How findings reach the log."""

import logging
from typing import Any

import msgspec
import pytest

from durable_host.durable.engine.diagnostic import Diagnostic
from durable_host.durable.runtime.diagnostics import Diagnostics

FINDING = Diagnostic(code="DH6145", instance_id="a", severity="warning", text="Told.", timestamp=0, position="app.py:3")


def told(caplog: pytest.LogCaptureFixture, *changes: dict[str, Any]) -> list[str]:
    caplog.set_level(logging.DEBUG)
    diagnostics = Diagnostics()
    diagnostics.report_all(msgspec.structs.replace(FINDING, **change) for change in changes)
    assert [found.instance_id for found in diagnostics.recent()] == [r.instance_id for r in caplog.records]  # type: ignore[attr-defined]
    return [record.getMessage() for record in caplog.records]


def test_a_finding_names_code_instance_and_place(caplog: pytest.LogCaptureFixture) -> None:
    assert told(caplog, {}) == ["DH6145: instance 'a': Told. (app.py:3)"]


def test_what_is_said_once_is_not_said_of_another_instance_at_that_place(caplog: pytest.LogCaptureFixture) -> None:
    here, there = ("DH6145", "app.py:3"), ("DH6145", "app.py:9")
    findings = [{"once": here}, {"once": here, "instance_id": "b"}, {"once": there, "position": "app.py:9"}]
    assert told(caplog, *findings) == [
        "DH6145: instance 'a': Told. (app.py:3)",
        "DH6145: instance 'a': Told. (app.py:9)",
    ]


def test_other_findings_are_said_each_time(caplog: pytest.LogCaptureFixture) -> None:
    assert len(told(caplog, {}, {})) == 2


@pytest.mark.parametrize("severity", ["debug", "information", "warning", "error"])
def test_each_severity_has_its_level(caplog: pytest.LogCaptureFixture, severity: str) -> None:
    told(caplog, {"severity": severity})
    [record] = caplog.records
    assert record.levelname == {"information": "INFO"}.get(severity, severity.upper())

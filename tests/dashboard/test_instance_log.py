"""The log lines of instances in memory, and the last payloads of events."""

import logging

from durable_host.dashboard.event_payloads import EventPayloads
from durable_host.durable.model.events import EventRaised
from durable_host.invocation.instance_log import InstanceLog


def record(text: str, created: float, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("Function.f", logging.INFO, "", 0, "%s", (text,), None)
    made.created = created
    made.__dict__.update(extra)
    return made


def test_lines_belong_to_their_instance() -> None:
    log = InstanceLog(0.0)
    log.handle(record("one", 1.0, instance_id="a", function="f", invocation_id="i"))
    log.handle(record("two", 2.0, instance_id="b"))
    log.handle(record("of no instance", 3.0))
    (line,) = log.of("a")
    assert (line.text, line.function, line.invocation_id, line.category) == ("one", "f", "i", "Function.f")
    assert [line.text for line in log.of("b")] == ["two"]
    assert log.of("nobody") == []


def test_the_oldest_lines_are_dropped_when_there_are_too_many() -> None:
    log = InstanceLog(0.0, capacity=5_000)
    for number in range(100):
        log.handle(record("x" * 100, float(number), instance_id="a"))
    kept = list(log.of("a"))
    assert 5 <= len(kept) <= 10
    assert kept[-1].created == 99.0
    assert log.dropped_until == kept[0].created - 1


def test_a_line_is_cut() -> None:
    log = InstanceLog(0.0)
    log.handle(record("x" * 100_000, 1.0, instance_id="a"))
    (line,) = log.of("a")
    assert len(line.text) == 8 * 1024


def test_a_record_that_cannot_be_formatted_is_left_out(monkeypatch) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)
    log = InstanceLog(0.0)
    broken = record("x", 1.0, instance_id="a")
    broken.args = ()
    broken.msg, broken.args = "%d", ("text",)
    log.handle(broken)
    assert log.of("a") == []


def test_the_newest_payload_of_an_event_is_kept() -> None:
    payloads = EventPayloads()
    payloads.note([EventRaised(name="Approval", input="2", timestamp=2)])
    payloads.note([EventRaised(name="approval", input="1", timestamp=1), EventRaised(name="Empty", timestamp=3)])
    assert payloads.last(["Approval", "Empty", "Other"]) == {"Approval": "2"}


def test_long_payloads_and_old_names_are_not_kept() -> None:
    payloads = EventPayloads()
    payloads.note([EventRaised(name="Long", input="x" * 5000, timestamp=1)])
    payloads.note([EventRaised(name=f"E{number}", input="1", timestamp=1) for number in range(300)])
    assert payloads.last(["Long", "E0", "E299"]) == {"E299": "1"}

"""The text that says which faults may happen."""

import pytest

from durable_host.chaos.spec import EXAMPLE, ChaosSpec, parse_chaos
from durable_host.errors import ConfigurationError

ALL = "duplicate-events=0.1,redeliver-activities=0.05,delay=0..2s,kill-worker=0.01,lose-lease=0.01,storage-errors=0.02"


def test_every_fault_can_be_named() -> None:
    assert parse_chaos(ALL) == ChaosSpec(
        duplicate_events=0.1,
        redeliver_activities=0.05,
        delay=(0.0, 2.0),
        kill_worker=0.01,
        lose_lease=0.01,
        storage_errors=0.02,
    )


@pytest.mark.parametrize(
    "text",
    [
        ALL,
        EXAMPLE,
        "delay=0.5..1.5s",
        "delay=1ms..3599.999s",
        "delay=0..0.0000001s",
        "lose-lease=1",
        "kill-worker=0.1234567",
        "storage-errors=1e-7",
    ],
)
def test_the_text_of_a_specification_can_be_read_again(text: str) -> None:
    assert parse_chaos(str(parse_chaos(text))) == parse_chaos(text)


@pytest.mark.parametrize(
    ("text", "rates"),
    [
        ("", ChaosSpec()),
        (" , ", ChaosSpec()),
        (" Kill_Worker = 10% ", ChaosSpec(kill_worker=0.1)),
        ("killWorker=1,LOSELEASE=1", ChaosSpec(kill_worker=1, lose_lease=1)),
        ("delay=0 .. 2 S", ChaosSpec(delay=(0.0, 2.0))),
        ("delay=2s", ChaosSpec(delay=(2.0, 2.0))),
        ("delay=100ms..2s", ChaosSpec(delay=(0.1, 2.0))),
        ("delay=100..500ms", ChaosSpec(delay=(0.1, 0.5))),
        ("delay=.5..1m", ChaosSpec(delay=(30.0, 60.0))),
        ("delay=0", ChaosSpec()),
    ],
)
def test_values_may_be_written_in_several_ways(text: str, rates: ChaosSpec) -> None:
    assert parse_chaos(text) == rates


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("duplicate-event=0.1", "'duplicate-event' is not a fault. Did you mean duplicate-events?"),
        ("earthquake=1", "'earthquake' is not a fault."),
        ("kill-host=1", "'kill-host' is not a fault."),
        ("kill-worker", "'kill-worker' has no value."),
        ("kill-worker=", "'kill-worker' has no value."),
        ("kill-worker=often", "'kill-worker=often': expected a number from 0 to 1."),
        ("kill-worker=nan", "'kill-worker=nan': expected a number from 0 to 1."),
        ("kill-worker=1.5", "'kill-worker=1.5': expected a number from 0 to 1."),
        ("kill-worker=-1", "'kill-worker=-1': expected a number from 0 to 1."),
        ("kill-worker=0.1,kill_worker=0.2", "'kill-worker' is set twice."),
        ("delay=0..2", "'delay=0..2': expected a range of times."),
        ("delay=soon", "'delay=soon': expected a range of times."),
        ("delay=..2s", "'delay=..2s': expected a range of times."),
        ("delay=3s..2s", "'delay=3s..2s': the first time is longer than the second."),
        ("delay=0..90m", "'delay=0..90m': a message is delayed by an hour at most."),
    ],
)
def test_an_invalid_specification_is_refused_with_the_reason(text: str, cause: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        parse_chaos(text, "DURABLE_HOST_CHAOS")
    assert refused.value.code == "DH1006"
    assert refused.value.message == "The faults in DURABLE_HOST_CHAOS are not valid."
    assert refused.value.cause == cause
    assert refused.value.remedy


@pytest.mark.parametrize(("rates", "injects"), [(ChaosSpec(), False), (ChaosSpec(delay=(0, 1)), True)])
def test_a_specification_is_true_if_a_fault_can_happen(rates: ChaosSpec, injects: bool) -> None:
    assert bool(rates) is injects

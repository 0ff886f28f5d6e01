"""The mark `durable_chaos`: a test runs many times with faults, and counts as one test."""

from collections.abc import Callable
from itertools import count
from pathlib import Path
from textwrap import dedent

import pytest

pytestmark = pytest.mark.unit

HEADER = """
import unittest
import pytest
from durable_host.testing.chaos.chaos_run import active_run

def happens(target):
    return active_run().happens("redeliver-activities", target)
"""
CHARGE = """
@pytest.mark.durable_chaos(runs=30, redeliver_activities=0.3)
def test_charge():
    for number in range(5):
        happens(f"activity 'Reserve' (task {number})")
    assert not happens("activity 'Charge'"), "charged twice"
"""
Reports = list[pytest.TestReport]
_numbers = count(1)


class _Reports:
    def __init__(self) -> None:
        self.all: Reports = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.all.append(report)


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[str, Reports]]:
    """Runs a test file in a pytest of its own. Returns its output and the reports."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)

    def runs(source: str, *options: str) -> tuple[str, Reports]:
        file = tmp_path / f"test_orders_{next(_numbers)}.py"
        file.write_text(HEADER + dedent(source))
        (tmp_path / "pytest.ini").write_text("[pytest]\n")
        reports = _Reports()
        arguments = [
            f"--rootdir={tmp_path}",
            "-q",
            "-p",
            "durable_host.testing.pytest_plugin",
            "--import-mode=importlib",
        ]
        pytest.main([str(file), *arguments, "-p", "no:cacheprovider", "--strict-markers", *options], plugins=[reports])
        return capsys.readouterr().out, reports.all

    return runs


def outcomes(reports: Reports) -> list[tuple[str, str]]:
    return [(report.when or "", report.outcome) for report in reports]


def test_a_test_that_survives_counts_once_and_says_its_seed(run: Callable[..., tuple[str, Reports]]):
    output, reports = run(
        """
        runs = []

        @pytest.mark.durable_chaos(runs=7, seed=3, redeliver_activities=1)
        def test_survives():
            runs.append(happens("activity 'Charge'"))
            assert len(runs) <= 7

        def test_it_ran_seven_times():
            assert len(runs) == 7 and all(runs)
        """
    )
    assert outcomes(reports) == [("setup", "passed"), ("call", "passed"), ("teardown", "passed")] * 2
    assert "::test_survives: 7 runs from seed 3, 7 faults (redeliver-activities 7)" in output
    assert "2 passed" in output


def test_a_fragile_test_fails_with_seed_and_shortest_schedule(run: Callable[..., tuple[str, Reports]]):
    output, reports = run(CHARGE, "--durable-chaos-seed=5")
    assert outcomes(reports) == [("setup", "passed"), ("call", "failed"), ("teardown", "passed")]
    assert "AssertionError: charged twice" in output
    assert "of 30 failed (seed " in output
    assert "1 fault is enough" in output
    assert "The activity 'Charge' is delivered a second time" in output
    assert "@pytest.mark.durable_chaos(schedule=[" in output
    assert "1 failed" in output


def test_the_printed_command_repeats_the_failing_run_first(run: Callable[..., tuple[str, Reports]]):
    output, _ = run(CHARGE, "--durable-chaos-seed=5")
    seed = output.split("--durable-chaos-seed ")[1].split()[0]
    assert f"Run 1 of 30 failed (seed {seed}, " in run(CHARGE, f"--durable-chaos-seed={seed}")[0]


def test_the_printed_decorator_repeats_the_failure(run: Callable[..., tuple[str, Reports]]):
    output, _ = run(CHARGE, "--durable-chaos-seed=5")
    begin = output.index("@pytest.mark.durable_chaos(schedule=[")
    decorator = output[begin : output.index("])", begin) + 2]
    again = run(CHARGE.replace("@pytest.mark.durable_chaos(runs=30, redeliver_activities=0.3)", decorator))[0]
    assert "The test failed with its schedule of 1 fault." in again
    assert "charged twice" in again


def test_the_number_of_runs_can_be_chosen_on_the_command_line(run: Callable[..., tuple[str, Reports]]):
    output, _ = run("@pytest.mark.durable_chaos(runs=50)\ndef test_a(): pass", "--durable-chaos-runs=3")
    assert ": 3 runs from seed " in output


def test_each_run_has_fixtures_of_its_own_and_modules_keep_theirs(run: Callable[..., tuple[str, Reports]]):
    _, reports = run(
        """
        events = []

        @pytest.fixture(scope="module")
        def shared():
            events.append("module begins")
            yield
            events.append("module ends")

        @pytest.fixture
        def own(shared):
            events.append("begins")
            yield
            events.append("ends")

        @pytest.mark.durable_chaos(runs=3)
        def test_repeated(own):
            events.append("runs")

        def test_after(shared):
            assert events == ["module begins", *["begins", "runs", "ends"] * 3]
        """
    )
    assert {report.outcome for report in reports} == {"passed"}


def test_a_class_is_new_in_each_run_and_unittest_works_too(run: Callable[..., tuple[str, Reports]]):
    output, _ = run(
        """
        pytestmark = pytest.mark.durable_chaos(runs=3)
        seen = []

        class TestClass:
            def test_method(self):
                assert not hasattr(self, "used")
                self.used = True

        class TestCase(unittest.TestCase):
            def setUp(self):
                self.count = 0

            def test_method(self):
                assert self.count == 0
                self.count += 1
                seen.append(active_run().number)

        @pytest.mark.parametrize("number", [1, 2])
        def test_parameters(number):
            assert seen == [1, 2, 3]
        """
    )
    assert "4 passed" in output


def test_the_output_and_the_properties_are_those_of_the_last_run(run: Callable[..., tuple[str, Reports]]):
    _, reports = run(
        """
        @pytest.mark.durable_chaos(runs=3)
        def test_prints(record_property):
            print(f"run {active_run().number}")
            record_property("number", active_run().number)
        """
    )
    call = reports[1]
    assert call.capstdout == "run 3\n"
    assert ("number", 3) in call.user_properties


def test_a_skipped_test_runs_once(run: Callable[..., tuple[str, Reports]]):
    output, _ = run(
        """
        runs = []

        @pytest.mark.durable_chaos
        def test_skipped():
            runs.append(1)
            pytest.skip("not here")

        def test_once():
            assert runs == [1]
        """
    )
    assert "1 passed, 1 skipped" in output


def test_a_failing_fixture_is_a_failure_too(run: Callable[..., tuple[str, Reports]]):
    output, reports = run(
        """
        @pytest.fixture
        def paid():
            assert not happens("activity 'Charge'"), "charged twice"

        @pytest.mark.durable_chaos(runs=30, seed=5, redeliver_activities=0.3)
        def test_paid(paid):
            pass
        """
    )
    assert outcomes(reports) == [("setup", "failed"), ("teardown", "passed")]
    assert "1 fault is enough" in output


def test_a_test_that_fails_without_faults_says_so(run: Callable[..., tuple[str, Reports]]):
    output, _ = run("@pytest.mark.durable_chaos\ndef test_wrong():\n    assert not happens('a'), 'x'\n    assert False")
    assert "It fails without any fault as well." in output


def test_an_expected_failure_stays_one(run: Callable[..., tuple[str, Reports]]):
    output, _ = run("@pytest.mark.xfail\n@pytest.mark.durable_chaos(runs=3)\ndef test_wrong():\n    assert False")
    assert "1 xfailed" in output


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ("runs=0", "runs=0: expected at least 1"),
        ("duplicates=0.1", "'duplicates' is not a fault. Did you mean duplicate_events?"),
        ("run=5", "The faults are duplicate_events, redeliver_activities, delay,"),
        ("'kill-hosts=0.1'", "Did you mean kill_host?"),
        ("'kill-worker=2'", "expected a number from 0 to 1"),
        ("schedule=['explosion: here']", "is not a fault of a schedule"),
        ("'', 50", "one positional argument"),
    ],
)
def test_a_mark_that_is_not_valid_is_an_error(run: Callable[..., tuple[str, Reports]], arguments: str, text: str):
    output, reports = run(f"@pytest.mark.durable_chaos({arguments})\ndef test_a(): pass")
    assert outcomes(reports) == [("setup", "failed")]
    assert "The mark durable_chaos of this test is not valid." in output
    assert text in output
    assert "During handling" not in output


def test_after_a_mark_that_is_not_valid_the_next_tests_run(run: Callable[..., tuple[str, Reports]]):
    _, reports = run(
        """
        events = []

        @pytest.fixture(scope="class")
        def shared():
            yield
            events.append("class ends")

        class TestFirst:
            def test_before(self, shared):
                pass

            @pytest.mark.durable_chaos(runs=0)
            def test_refused(self, shared):
                pass

        class TestSecond:
            def test_after(self):
                assert events == ["class ends"]
        """
    )
    assert outcomes(reports)[3:] == [
        ("setup", "failed"),
        ("setup", "passed"),
        ("call", "passed"),
        ("teardown", "passed"),
    ]


def test_a_test_on_a_real_host_cannot_have_the_mark(run: Callable[..., tuple[str, Reports]]):
    output, reports = run("@pytest.mark.durable_chaos\ndef test_live(live_function_app): pass")
    assert outcomes(reports) == [("setup", "failed")]
    assert "It needs virtual time" in output


def test_tests_without_the_mark_are_not_touched(run: Callable[..., tuple[str, Reports]]):
    output, _ = run("def test_plain():\n    assert active_run() is None")
    assert "1 passed" in output
    assert "durable_chaos" not in output

"""The mark `durable_chaos` in pytest: repeats a test with faults, fixtures included, and reports it as one test."""

import copy
import secrets
from typing import Any, Literal

import pytest

from durable_host.errors import HostError
from durable_host.testing.chaos.chaos_plan import MAX_SEED, chaos_plan
from durable_host.testing.chaos.chaos_report import chaos_failure_text, chaos_result_text
from durable_host.testing.chaos.chaos_run import ChaosRun
from durable_host.testing.chaos.repeated_runs import ChaosPlan, ChaosResult, run_repeatedly

MARK = "durable_chaos"
_DEBUGGER = "pdbinvoke"
_SEED = pytest.StashKey[int]()


def run_with_chaos(item: pytest.Item, mark: pytest.Mark, nextitem: pytest.Item | None) -> None:
    """Run a test that has the mark, as pytest's protocol does without it."""
    hook = item.ihook
    hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for report in _reports(item, mark, nextitem):
        hook.pytest_runtest_logreport(report=report)
    hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)


def _reports(item: pytest.Item, mark: pytest.Mark, nextitem: pytest.Item | None) -> list[pytest.TestReport]:
    plan = _plan_or_error(item, mark)
    if isinstance(plan, Exception):
        failed = _teardown(item, nextitem)
        return [_refusal(item, plan), *([] if failed is None else [failed])]
    trials = _Trials(item)
    result = run_repeatedly(plan, trials)
    if result.failure is not None and item.config.getoption("usepdb", False):
        trials.may_debug = True
        trials(ChaosRun.scheduled(result.failure.schedule, result.failure.run))
    return trials.end(plan, result, nextitem)


def _plan_or_error(item: pytest.Item, mark: pytest.Mark) -> ChaosPlan | Exception:
    if "live_function_app" in getattr(item, "fixturenames", ()):
        return ValueError("It needs virtual time: use function_app, or run func start --chaos.")
    try:
        return _plan(item.config, mark)
    except (HostError, ValueError, TypeError) as error:
        return error


def _plan(config: pytest.Config, mark: pytest.Mark) -> ChaosPlan:
    """Read the mark. `--durable-chaos-seed` and `--durable-chaos-runs` win over it."""
    options: dict[str, Any] = dict(mark.kwargs)
    if len(mark.args) > 1:
        raise ValueError(f"{MARK} takes one positional argument, the faults as in 'func start --chaos'.")
    if mark.args:
        options["faults"] = mark.args[0]
    seed, runs = config.getoption("durable_chaos_seed", None), config.getoption("durable_chaos_runs", None)
    if seed is not None:
        options |= {"seed": seed, "schedule": None}
    if runs is not None:
        options |= {"runs": runs}
    options.setdefault("seed", config.stash.setdefault(_SEED, secrets.randbelow(MAX_SEED)))
    return chaos_plan(**options)


def _refusal(item: pytest.Item, error: Exception) -> pytest.TestReport:
    """The report of a mark that is not valid."""
    details = (str(error), getattr(error, "cause", None), getattr(error, "remedy", None))
    text = " ".join([f"The mark {MARK} of this test is not valid.", *filter(None, details)])
    call = pytest.CallInfo[None].from_call(lambda: pytest.fail(text, pytrace=False), "setup")
    return item.ihook.pytest_runtest_makereport(item=item, call=call)


class _Trials:
    """Runs of one test. Each is a new item: with an instance of the test class and fixtures of its own.

    With `may_debug`, a failure opens the debugger.
    """

    def __init__(self, item: pytest.Item) -> None:
        self.may_debug = False
        self._item = item
        self._latest: list[pytest.TestReport] = []
        self._seconds = 0.0

    def __call__(self, run: ChaosRun) -> Literal["passed", "failed", "skipped"]:
        twin, after = _twin(self._item), _twin(self._item)
        plugins = self._item.config.pluginmanager
        runner: Any = plugins.getplugin("runner")
        hides_debugger = not self.may_debug and plugins.hasplugin(_DEBUGGER)
        debugger = plugins.unregister(name=_DEBUGGER) if hides_debugger else None
        try:
            with run.active():
                reports: list[pytest.TestReport] = runner.runtestprotocol(twin, log=False, nextitem=after)
        finally:
            if debugger is not None:
                plugins.register(debugger, _DEBUGGER)
        self._seconds += sum(report.duration for report in reports)
        has_failed = any(report.failed for report in reports)
        if has_failed or not any(report.failed for report in self._latest):
            self._latest = reports
        if has_failed:
            return "failed"
        return "skipped" if any(report.skipped for report in reports) else "passed"

    def end(self, plan: ChaosPlan, result: ChaosResult, nextitem: pytest.Item | None) -> list[pytest.TestReport]:
        """Tear down what the next test does not need, and return the reports of the latest failure or run."""
        reports = list(self._latest)
        if (failed := _teardown(self._item, nextitem)) is not None:
            reports[-1] = failed
        failure = result.failure
        main = next((report for report in reports if report.failed), reports[-2])
        if failure is None:
            main.user_properties.append((MARK, chaos_result_text(result)))
        else:
            repeat = f"pytest {_quoted(self._item.nodeid)} --durable-chaos-seed {failure.seed}"
            _add_section(main, chaos_failure_text(failure, plan, repeat))
        main.duration = self._seconds
        return reports


def _teardown(item: pytest.Item, nextitem: pytest.Item | None) -> pytest.TestReport | None:
    """Tear down the fixtures of modules and classes that the next test does not need. Returns a failure."""
    session = item.session
    following = None if session.shouldfail or session.shouldstop else nextitem
    fixtures: Any = vars(session)["_setupstate"]
    call = pytest.CallInfo[None].from_call(lambda: fixtures.teardown_exact(following), "teardown")
    return None if call.excinfo is None else item.ihook.pytest_runtest_makereport(item=item, call=call)


def _twin(item: pytest.Item) -> Any:
    """The same test as a new item, which has run nothing yet."""
    twin: Any = copy.copy(item)
    twin.user_properties = list(item.user_properties)
    twin._report_sections = []
    if item.getparent(pytest.Class) is not None:
        twin.__dict__.pop("_instance", None)
        twin.__dict__.pop("_obj", None)
    if hasattr(twin, "_initrequest"):
        twin._initrequest()
    return twin


def _add_section(report: pytest.TestReport, text: str) -> None:
    add: Any = getattr(report.longrepr, "addsection", None)
    if add is not None:
        add(MARK, text, "-")
    else:
        report.sections.append((MARK, text))


def _quoted(nodeid: str) -> str:
    return nodeid if nodeid.replace("::", "").replace("/", "").replace(".", "").isidentifier() else f'"{nodeid}"'

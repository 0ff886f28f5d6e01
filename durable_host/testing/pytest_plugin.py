"""The pytest plugin: fixtures, options and marks for tests of function apps. Nothing heavy is imported before use."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from durable_host.testing.chosen_app import CHOSEN_APP

if TYPE_CHECKING:
    from durable_host.testing.app_under_test import AppUnderTest
    from durable_host.testing.function_app import FunctionApp
    from durable_host.testing.live_function_app import LiveFunctionApp
    from durable_host.testing.loaded_apps import LoadedApps

A = TypeVar("A", bound="AppUnderTest")

_APPS: pytest.StashKey[LoadedApps[FunctionApp]] = pytest.StashKey()
_FIXTURES = ("function_app", "live_function_app")
_ASYNC_MARKS = ("asyncio", "anyio", "trio")
_GROUP = "Azure Functions apps (durable_host)"
_MARKS = (
    "function_app(root=None, settings=None, python=None, real_accounts=None): the app of the fixtures function_app and "
    "live_function_app for this test, class or module",
    "durable_chaos(faults='', *, runs=50, seed=None, schedule=None, shrink_seconds=30, **rates): run the test with "
    "random delivery orders, duplicates and crashes, and find the shortest schedule of faults with which it fails; a "
    "rate is named as in duplicate_events=0.1",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("durable_host", _GROUP)
    group.addoption(
        "--function-app",
        metavar="PATH",
        help="the folder of the app under test (default: durable_host_app in the ini file, otherwise the nearest "
        "folder with host.json at or above the test file)",
    )
    group.addoption(
        "--durable-chaos-seed",
        metavar="N",
        type=int,
        help="the seed of the first run of tests with durable_chaos, instead of that of the mark or a random one",
    )
    group.addoption(
        "--durable-chaos-runs",
        metavar="N",
        type=int,
        help="how often tests with durable_chaos run, instead of what their marks say",
    )
    parser.addini("durable_host_app", "the folder of the app under test, relative to the ini file")
    parser.addini("durable_host_python", "the interpreter of the app (default: its virtual environment)")
    parser.addini("durable_host_settings", "settings of the app, one NAME=value per line", type="linelist")
    parser.addini(
        "durable_host_real_accounts", "settings with real accounts that live_function_app may use", type="args"
    )


def pytest_configure(config: pytest.Config) -> None:
    for mark in _MARKS:
        config.addinivalue_line("markers", mark)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Repeat tests that have the mark durable_chaos."""
    mark = item.get_closest_marker("durable_chaos")
    if mark is None:
        return None
    from durable_host.testing.chaos.chaos_items import run_with_chaos

    run_with_chaos(item, mark, nextitem)
    return True


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say with which seeds the tests with durable_chaos have passed."""
    lines = [
        f"{report.nodeid}: {text}"
        for report in terminalreporter.getreports("passed")
        for name, text in report.user_properties
        if name == "durable_chaos"
    ]
    if lines:
        terminalreporter.section("durable_chaos")
        terminalreporter.write_line("\n".join(lines))


@pytest.fixture
def function_app(request: pytest.FixtureRequest) -> FunctionApp:
    """The app under test, in virtual time. Its code is loaded once; each test begins with empty storage."""
    return _fresh(_apps(request.config), request.node)


@pytest.fixture
def live_function_app(
    request: pytest.FixtureRequest, _durable_host_live_apps: LoadedApps[LiveFunctionApp]
) -> LiveFunctionApp:
    """The app under test in a real `func start` with its own Azurite. Each test begins with empty storage."""
    return _fresh(_durable_host_live_apps, request.node)


@pytest.fixture(scope="session")
def _durable_host_live_apps() -> Iterator[LoadedApps[LiveFunctionApp]]:
    from durable_host.testing.loaded_apps import LoadedApps, on_a_host

    with LoadedApps(on_a_host) as apps:
        yield apps


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Let `assert_replays` use the app of the test."""

    def app_of_test() -> FunctionApp:
        from durable_host.testing.app_choice import app_choice

        return _apps(item.config).loaded(app_choice(item))

    token = CHOSEN_APP.set(app_of_test)
    try:
        yield
    finally:
        CHOSEN_APP.reset(token)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    """Leave the loggers to tests that do not use an app."""
    yield
    apps = item.config.stash.get(_APPS, None)
    if apps is not None:
        apps.rest()


def _apps(config: pytest.Config) -> LoadedApps[FunctionApp]:
    """The apps in memory of this session, which end with it."""
    apps = config.stash.get(_APPS, None)
    if apps is None:
        from durable_host.testing.loaded_apps import LoadedApps, in_memory

        apps = config.stash[_APPS] = LoadedApps(in_memory)
        config.add_cleanup(apps.close)
    return apps


def _fresh(apps: LoadedApps[A], test: pytest.Item) -> A:
    """The app of a test as it is at its beginning. If it does not load, the test fails without a traceback."""
    from durable_host.errors import HostError
    from durable_host.testing.app_choice import app_choice

    try:
        return apps.fresh(app_choice(test))
    except HostError as error:
        reason = "\n".join(filter(None, (f"{error.code}: {error.message}", error.cause, error.remedy)))
    pytest.fail(reason, pytrace=False)


def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run async tests that use a fixture of this plugin, unless another plugin runs them."""
    test = pyfuncitem.obj
    if not inspect.iscoroutinefunction(test) or not set(_FIXTURES) & set(pyfuncitem.fixturenames):
        return None
    if any(pyfuncitem.get_closest_marker(name) for name in _ASYNC_MARKS):
        return None
    import asyncio

    given = pyfuncitem.funcargs
    arguments = {name: given[name] for name in inspect.signature(test).parameters if name in given}
    asyncio.run(test(**arguments))
    return True


@pytest.hookimpl(specname="pytest_runtest_makereport")
def pytest_cut_traceback(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """Show the line of the test instead of the kit's code.

    A wrapper would be too early: the error of a `unittest.TestCase` is known after the turn of pytest's own plugin.
    """
    error = call.excinfo
    if error is not None and not any(item.config.getoption(name, False) for name in ("fulltrace", "usepdb")):
        from durable_host.testing.shown_traceback import cut_traceback

        cut_traceback(error.value)
        error.traceback = type(error.traceback)(error.tb)  # it may have been read already


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, object, object]:
    """Show the instances of the app below the failure of a test."""
    report: Any = yield
    if call.when == "call" and report.failed:
        for name in _FIXTURES:
            app = getattr(item, "funcargs", {}).get(name)
            if app is not None:
                from durable_host.testing.app_under_test import failure_report

                with contextlib.suppress(Exception):
                    if text := failure_report(app):
                        report.sections.append((f"Instances of {name}", text))
    return report

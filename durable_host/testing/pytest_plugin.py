"""The pytest plugin: fixtures, options and marks for tests of function apps. Nothing heavy is imported before use."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from durable_host.testing.function_app import FunctionApp
    from durable_host.testing.loaded_apps import LoadedApps

_FIXTURES = ("function_app", "live_function_app")
_ASYNC_MARKS = ("asyncio", "anyio", "trio")
_GROUP = "Azure Functions apps (durable_host)"
_MARKS = (
    "function_app(root=None, settings=None, python=None): the app of the fixtures function_app and live_function_app "
    "for this test, class or module",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("durable_host", _GROUP).addoption(
        "--function-app",
        metavar="PATH",
        help="the folder of the app under test (default: durable_host_app in the ini file, otherwise the nearest "
        "folder with host.json at or above the test file)",
    )
    parser.addini("durable_host_app", "the folder of the app under test, relative to the ini file")
    parser.addini("durable_host_python", "the interpreter of the app (default: its virtual environment)")
    parser.addini("durable_host_settings", "settings of the app, one NAME=value per line", type="linelist")


def pytest_configure(config: pytest.Config) -> None:
    for mark in _MARKS:
        config.addinivalue_line("markers", mark)


@pytest.fixture(scope="session")
def _durable_host_apps() -> Iterator[LoadedApps]:
    from durable_host.testing.loaded_apps import LoadedApps

    with LoadedApps() as apps:
        yield apps


@pytest.fixture
def function_app(request: pytest.FixtureRequest, _durable_host_apps: LoadedApps) -> FunctionApp:
    """The app under test, in virtual time. Its code is loaded once; each test begins with empty storage."""
    from durable_host.errors import HostError
    from durable_host.testing.app_choice import app_choice

    try:
        return _durable_host_apps.fresh(app_choice(request))
    except HostError as error:
        lines = filter(None, (f"{error.code}: {error.message}", error.cause, error.remedy))
        pytest.fail("\n".join(lines), pytrace=False)


def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run async tests that use a fixture of this plugin, unless another plugin runs them."""
    test = pyfuncitem.obj
    if not inspect.iscoroutinefunction(test) or not set(_FIXTURES) & set(pyfuncitem.fixturenames):
        return None
    if any(pyfuncitem.get_closest_marker(name) for name in _ASYNC_MARKS):
        return None
    import asyncio

    arguments = {name: pyfuncitem.funcargs[name] for name in inspect.signature(test).parameters}
    asyncio.run(test(**arguments))
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, object, object]:
    """Show the instances of the app below the failure of a test."""
    report: Any = yield
    if call.when == "call" and report.failed:
        for name in _FIXTURES:
            app = getattr(item, "funcargs", {}).get(name)
            if app is not None:
                with contextlib.suppress(Exception):
                    if text := app.report():
                        report.sections.append((f"Instances of {name}", text))
    return report

"""The apps that the tests of a session use. Each is loaded once."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Generic, Self, TypeVar

from durable_host.errors import HostError
from durable_host.testing.app_choice import AppChoice
from durable_host.testing.app_under_test import AppUnderTest, rest
from durable_host.testing.function_app import FunctionApp
from durable_host.testing.live_function_app import LiveFunctionApp

__tracebackhide__ = True

A = TypeVar("A", bound=AppUnderTest)


class LoadedApps(Generic[A]):
    """Owns the apps of a session, which `load` loads. Use it as a context manager."""

    def __init__(self, load: Callable[[AppChoice], A]) -> None:
        self._load = load
        self._apps: dict[AppChoice, A] = {}
        self._broken: dict[AppChoice, HostError] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the apps, all of them even if one does not end properly."""
        apps, self._apps = self._apps, {}
        with ExitStack() as ending:
            for app in apps.values():
                ending.callback(app.close)

    def fresh(self, choice: AppChoice) -> A:
        """The app as it is at the beginning of a test. Raises HostError if it does not load, which is tried once."""
        app = self._apps.get(choice)
        return self.loaded(choice) if app is None else app.reset()

    def rest(self) -> None:
        """A test is over."""
        for app in self._apps.values():
            rest(app)

    def loaded(self, choice: AppChoice) -> A:
        """The app as the last test has left it. Raises like `fresh`."""
        if choice in self._broken:
            raise self._broken[choice]
        if choice not in self._apps:
            try:
                self._apps[choice] = self._load(choice)
            except HostError as error:
                self._broken[choice] = error
                raise
        return self._apps[choice]


def in_memory(choice: AppChoice) -> FunctionApp:
    return FunctionApp(choice.root, settings=dict(choice.settings), python=choice.python)


def on_a_host(choice: AppChoice) -> LiveFunctionApp:
    return LiveFunctionApp(
        choice.root, settings=dict(choice.settings), python=choice.python, real_accounts=choice.real_accounts
    )

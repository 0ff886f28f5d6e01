"""The apps that the tests of a session use. Each is loaded once."""

from typing import Self

from durable_host.errors import HostError
from durable_host.testing.app_choice import AppChoice
from durable_host.testing.function_app import FunctionApp


class LoadedApps:
    """Owns the apps of a session. Use it as a context manager."""

    def __init__(self) -> None:
        self._apps: dict[AppChoice, FunctionApp] = {}
        self._broken: dict[AppChoice, HostError] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        apps, self._apps = self._apps, {}
        for app in apps.values():
            app.close()

    def fresh(self, choice: AppChoice) -> FunctionApp:
        """The app as it is at the beginning of a test. Raises HostError if it does not load, which is tried once."""
        app = self._apps.get(choice)
        if app is not None:
            return app.reset()
        if choice in self._broken:
            raise self._broken[choice]
        try:
            app = FunctionApp(choice.root, settings=dict(choice.settings), python=choice.python)
        except HostError as error:
            self._broken[choice] = error
            raise
        self._apps[choice] = app
        return app

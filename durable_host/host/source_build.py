"""Builds the app again when its sources change while the host runs."""

from collections.abc import Iterable
from pathlib import Path

from durable_host.config.start_options import StartOptions
from durable_host.host.watched_files import SETTINGS_FILE, FileTimes, WatchRules


class SourceBuild:
    """Owned by the reloader. Without `options.build` nothing is built, and all changes are relevant."""

    def __init__(self, options: StartOptions, rules: WatchRules) -> None:
        self.script_root = options.script_root
        self._build = options.build
        self._presenter = options.presenter
        self._rules = rules
        self._is_running = False
        self._written: FileTimes = {}

    def relevant(self, paths: Iterable[Path]) -> list[Path]:
        """The changes that require a reload: not those that the build itself makes."""
        if self._build is None:
            return list(paths)
        now = self._rules.output_times()
        return [path for path in paths if not self._is_own(path, now)]

    def is_needed(self, paths: Iterable[Path]) -> bool:
        """Whether the app must be built because of these changes."""
        return self._build is not None and any(
            not self._rules.is_output(path) and path.name != SETTINGS_FILE for path in paths
        )

    async def run(self) -> None:
        """Build, and set `script_root` to the result. Raises HostError."""
        assert self._build is not None
        self._is_running = True
        try:
            with self._presenter.working(f"Building {self._build.title}") as report:
                self.script_root = await self._build.run(report)
        finally:
            self._written = self._rules.output_times()
            self._is_running = False

    def _is_own(self, path: Path, now: FileTimes) -> bool:
        return self._rules.is_output(path) and (self._is_running or now.get(path) == self._written.get(path))

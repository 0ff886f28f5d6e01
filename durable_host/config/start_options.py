"""The options that `func start` passes to the host besides the configuration, and the host's start summary.

The command line builds StartOptions; `durable_host.host.run(config, options)` serves and returns the exit code.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Literal, Protocol

import msgspec

from durable_host.config.log_levels import LogLevels
from durable_host.config.overrides import Overrides

AzuriteMode = Literal["auto", "docker", "off"]
Report = Callable[[str], None]
"""Shows the latest progress of a step that is running."""


class FunctionLine(msgspec.Struct, frozen=True, kw_only=True):
    """A function in the listing at startup.

    `kind` is the trigger's binding type as declared (`httpTrigger`). Only HTTP triggers have `url` and `methods` (upper
    case); no methods means any. `reason` says why a function is not served; None for served functions.
    `failed_to_load`: the function is listed with its URL, and each request fails with the reason.
    """

    name: str
    kind: str
    methods: tuple[str, ...] = ()
    url: str | None = None
    disabled: bool = False
    reason: str | None = None
    failed_to_load: bool = False


class StartSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The state when the host is ready. Members are None if not in use or unknown."""

    base_url: str
    functions: tuple[FunctionLine, ...] = ()
    """In the host's order (by name)."""
    storage: str | None = None
    """For people: `Azurite at 127.0.0.1:10000-10002`, or the account's name."""
    azurite_started: bool = False
    """True if this host started the Azurite in use."""
    task_hub: str | None = None
    instances_in_flight: int | None = None
    dashboard_url: str | None = None
    """The page that shows the task hub; None with `--no-dashboard`."""
    mcp_url: str | None = None
    """Where MCP clients connect; None without MCP functions."""
    grpc_url: str | None = None
    """Where Durable Task SDKs connect; None while there is no gRPC endpoint."""
    python_version: str | None = None
    python_path: str | None = None
    node_version: str | None = None
    node_path: str | None = None
    dotnet_version: str | None = None
    dotnet_path: str | None = None
    sdk_versions: tuple[tuple[str, str], ...] = ()
    """(distribution, version), such as ("azure-functions-durable", "1.7.0")."""
    chaos: str | None = None
    """The faults that are injected, as the arguments of `--chaos`."""
    seconds_to_ready: float | None = None


class Presenter(Protocol):
    """Shows the host's progress. Calls return immediately. No other part of the host writes to the terminal."""

    def progress(self, text: str) -> None:
        """A slow step of the startup begins, such as installing Azurite or waiting for storage."""
        ...

    def working(self, text: str) -> AbstractContextManager[Report]:
        """A slow step, such as a build, runs inside the block. Call the function with each line of progress."""
        ...

    def started(self, summary: StartSummary) -> None:
        """The host is ready."""
        ...

    def reconfigured(self, levels: LogLevels) -> None:
        """host.json has changed while the host runs: use these log levels."""
        ...


class SilentPresenter:
    """Shows nothing. For embedding the host in a program or test."""

    def progress(self, text: str) -> None: ...

    def working(self, text: str) -> AbstractContextManager[Report]:
        return nullcontext(lambda news: None)

    def started(self, summary: StartSummary) -> None: ...

    def reconfigured(self, levels: LogLevels) -> None: ...


class AppBuild(Protocol):
    """Turns the sources of an app into what its worker loads."""

    @property
    def title(self) -> str:
        """What is built, for people: the name of a project file."""
        ...

    async def run(self, report: Report) -> Path:
        """Build, and return the folder that the worker loads the app from. `report` gets each line of the build.

        Raises HostError. Cancelling it ends the build.
        """
        ...


class StartOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The options of one run of the host."""

    azurite: AzuriteMode = "auto"
    python: Path | None = None
    """Interpreter of the app; None: VIRTUAL_ENV, then `.venv` in the app, then the host's own."""
    node: Path | None = None
    """Node.js of the app; None: `node` on PATH, then the host's own."""
    verbose: bool = False
    reload: bool = True
    """Reload the app when its files change while the host runs."""
    overrides: Overrides = Overrides()
    """The configuration overrides from the command line, for reading the configuration again."""
    dashboard: bool = True
    """Serve the dashboard at `/_df`."""
    enable_auth: bool = False
    """Callers need keys."""
    debug_port: int | None = None
    """The address where a debugger can attach to the worker."""
    debug_wait: bool = False
    """Load the app only when a debugger has attached."""
    worker_arguments: str | None = None
    """Additional arguments of the worker's interpreter, as one text."""
    grpc_port: int | None = None
    """The port for Durable Task SDKs; 0: none, None: a free port if the app needs it."""
    presenter: Presenter = SilentPresenter()
    build: AppBuild | None = None
    """Builds the app again when its sources change; None if there is nothing to build."""
    script_root: Path | None = None
    """The folder that the worker loads the app from, if the app was built; None: the worker kind finds it."""

    def interpreter_of(self, runtime: str) -> str | None:
        """The interpreter from the command line for apps of this runtime."""
        path = {"python": self.python, "node": self.node}.get(runtime)
        return None if path is None else str(path)

"""What `func start` tells the host besides the configuration, and what the host tells back once it is ready.

The command line builds StartOptions; `durable_host.host.run(config, options)` serves and returns the exit code.
"""

from pathlib import Path
from typing import Literal, Protocol

import msgspec

from durable_host.config.log_levels import LogLevels
from durable_host.config.overrides import Overrides

AzuriteMode = Literal["auto", "docker", "off"]


class FunctionLine(msgspec.Struct, frozen=True, kw_only=True):
    """One function as the start-up listing shows it.

    `kind` is the trigger's binding type as declared (`httpTrigger`). `url` and `methods` (upper case) are of HTTP
    triggers only; no methods means any. `reason` says why a function is not served; it is None for served ones.
    `failed_to_load`: it is listed with its URL, where each request fails with the reason.
    """

    name: str
    kind: str
    methods: tuple[str, ...] = ()
    url: str | None = None
    disabled: bool = False
    reason: str | None = None
    failed_to_load: bool = False


class StartSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The state of things at the moment the host is ready. None where something is not in use or not known."""

    base_url: str
    functions: tuple[FunctionLine, ...] = ()
    """In the host's order (by name)."""
    storage: str | None = None
    """For people: `Azurite at 127.0.0.1:10000-10002`, or the account's name."""
    azurite_started: bool = False
    """True when this host started the Azurite it uses."""
    task_hub: str | None = None
    instances_in_flight: int | None = None
    dashboard_url: str | None = None
    mcp_url: str | None = None
    """Where MCP clients connect; None without MCP functions."""
    grpc_url: str | None = None
    """Where Durable Task SDKs connect; None while there is no gRPC endpoint."""
    python_version: str | None = None
    python_path: str | None = None
    node_version: str | None = None
    node_path: str | None = None
    sdk_versions: tuple[tuple[str, str], ...] = ()
    """(distribution, version), such as ("azure-functions-durable", "1.7.0")."""
    seconds_to_ready: float | None = None


class Presenter(Protocol):
    """Who shows the host's progress. Calls return at once; nothing else of the host writes to the terminal."""

    def progress(self, text: str) -> None:
        """A step of the start-up that takes a while (installing Azurite, waiting for storage)."""
        ...

    def started(self, summary: StartSummary) -> None:
        """The host is ready."""
        ...

    def reconfigured(self, levels: LogLevels) -> None:
        """host.json has changed while the host runs: these are the log levels now."""
        ...


class SilentPresenter:
    """Shows nothing: for embedding the host in a program or test."""

    def progress(self, text: str) -> None: ...

    def started(self, summary: StartSummary) -> None: ...

    def reconfigured(self, levels: LogLevels) -> None: ...


class StartOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Choices of one run of the host."""

    azurite: AzuriteMode = "auto"
    python: Path | None = None
    """Interpreter of the app; None: VIRTUAL_ENV, then `.venv` in the app, then the host's own."""
    node: Path | None = None
    """Node.js of the app; None: `node` on PATH, then the host's own."""
    verbose: bool = False
    reload: bool = True
    """Take over changes of the app's files while the host runs."""
    overrides: Overrides = Overrides()
    """What the command line says of the configuration, for reading it again."""
    enable_auth: bool = False
    """Callers need keys."""
    debug_port: int | None = None
    """A debugger can attach to the worker there."""
    debug_wait: bool = False
    """The app is loaded only when a debugger has attached."""
    worker_arguments: str | None = None
    """Further arguments of the worker's interpreter, as one text."""
    grpc_port: int | None = None
    """Where Durable Task SDKs connect; 0: nowhere, None: at a free port when the app needs it."""
    presenter: Presenter = SilentPresenter()

    def interpreter_of(self, runtime: str) -> str | None:
        """What the command line names for apps of a language."""
        path = {"python": self.python, "node": self.node}.get(runtime)
        return None if path is None else str(path)

"""Checks host.json, settings and functions like `func start`, without starting the host."""

import os
from pathlib import Path
from typing import Final

from durable_host import ports
from durable_host.bindings.accounts import Accounts
from durable_host.bindings.blob_signals import BlobSignals
from durable_host.bindings.durable_client import DurableClientInput
from durable_host.bindings.queue_signals import QueueSignals
from durable_host.bindings.unserved_output import mode_of
from durable_host.cli.doctor import findings
from durable_host.cli.doctor.findings import Finding
from durable_host.cli.scaffold.languages import Language, app_language
from durable_host.config import HostConfig, StartOptions, load
from durable_host.config.host_config import HOST_JSON, read_document
from durable_host.config.local_settings import FILE_NAME
from durable_host.errors import ConfigurationError, HostError
from durable_host.host.azure_warnings import azure_warnings
from durable_host.host.binding_registry import binding_registry
from durable_host.host.functions import AppFunctions, app_functions
from durable_host.host.served_app import require_known_protocol
from durable_host.host.worker_start import worker_options
from durable_host.invocation.pool import WorkerPool
from durable_host.triggers.http.trigger import route_table

_SETTINGS: Final = "Settings"
_FUNCTIONS: Final = "Functions"
_OPTIONS: Final[dict[Language, str]] = {
    "python": "--python",
    "javascript": "--node",
    "typescript": "--node",
    "csharp": "--csharp",
}


def configuration(root: Path) -> tuple[HostConfig | None, list[Finding]]:
    """The configuration (None if it is not valid) and the findings. Writes no files."""
    try:
        if not read_document(root / HOST_JSON):
            remedy = f'{_init(root)}, or write {{"version": "2.0"}} into it'
            return None, [findings.problem(HOST_JSON, f"There is no {HOST_JSON}, or it is empty.", remedy)]
        config = load(root, environ=os.environ)
    except ConfigurationError as error:
        return None, [findings.of_error(HOST_JSON, error)]
    result = [findings.ok(HOST_JSON, f"{HOST_JSON} is valid; task hub '{config.host.durable.hub_name}'")]
    result += [findings.warning(_SETTINGS, text) for text in config.warnings]
    if not (root / FILE_NAME).exists():
        remedy = f"{_init(root)} writes one; the environment works too"
        result.append(findings.warning(_SETTINGS, f"There is no {FILE_NAME}.", remedy))
    return config, result


def _init(root: Path) -> str:
    return f"func init {_OPTIONS[app_language(root)]}"


def port(config: HostConfig) -> Finding:
    """Whether the host could listen on its port."""
    where = f"{config.address}:{config.port}"
    problem = ports.unavailable(config.address, config.port)
    if problem is None:
        return findings.ok("Port", f"{where} is free")
    error = ports.port_error(config.address, config.port, problem)
    return findings.warning("Port", f"{error.message} {error.cause or ''}".strip(), error.remedy)


async def functions(config: HostConfig, accounts: Accounts) -> tuple[AppFunctions, list[Finding]]:
    """The functions as a worker loads them, checked with their settings and connections, and the findings."""
    try:
        pool = WorkerPool(worker_options(config, StartOptions()))
        try:
            index = await pool.start()
        finally:
            await pool.stop(0)
    except HostError as error:
        return AppFunctions(), [findings.of_error(_FUNCTIONS, error)]
    if isinstance(index.failure, HostError):
        return AppFunctions(), [findings.of_error(_FUNCTIONS, index.failure)]
    try:
        require_known_protocol(index)
    except HostError as error:
        return AppFunctions(), [findings.of_error(_FUNCTIONS, error)]
    client = DurableClientInput(_no_payload)
    try:
        outputs = mode_of(config.settings)
    except ConfigurationError as error:
        return AppFunctions(), [findings.of_error(_SETTINGS, error)]
    registry = binding_registry(
        accounts, QueueSignals(), BlobSignals(), config.host.queues, client, config.settings, outputs
    )
    app = app_functions(index, config, registry.serves)
    routes = route_table((*app.of_trigger("httptrigger"), *app.disabled_of_trigger("httptrigger")), config.host.http)
    app = app.with_errors(routes.errors)
    result: list[Finding] = []
    if not (index.functions or index.errors or index.excluded):
        remedy = 'func new --template "HTTP trigger" --name hello'
        result.append(findings.warning(_FUNCTIONS, "The app has no functions.", remedy))
    if app.served:
        result.append(findings.ok(_FUNCTIONS, f"{len(app.served)} loaded: {', '.join(one.name for one in app.served)}"))
    result += [findings.warning(_FUNCTIONS, f"{one.name} is disabled") for one in app.disabled]
    result += [findings.warning(_FUNCTIONS, f"{name} does not run here: {why}") for name, why in app.not_served.items()]
    result += [findings.warning(_FUNCTIONS, text) for text in azure_warnings(app, registry, config.settings)]
    result += [
        findings.problem(_FUNCTIONS, f"{error.function}: {error.message}", details=error.traceback or None)
        for error in app.errors
    ]
    result += [findings.warning(_FUNCTIONS, text) for text in (*index.warnings, *routes.warnings())]
    return app, result


async def _no_payload(_hub: str | None, _connection: str | None) -> str:
    raise AssertionError("no function is called")


def connection_names(config: HostConfig, app: AppFunctions) -> list[str | None]:
    """The storage connections that the app uses, by their names in bindings."""
    from durable_host.host.functions import STORAGE_BINDINGS

    names: dict[str, str | None] = {}
    if app.use_durable and config.host.durable.storage.type != "sqlite":
        name = config.host.durable.storage.connection_name
        names[name.lower()] = name
    for function in app.served:
        for binding in function.bindings:
            if binding.type.lower() in (*STORAGE_BINDINGS, "blobtrigger"):
                name = binding.text("connection")
                names.setdefault((name or "storage").lower(), name)
    return list(names.values())

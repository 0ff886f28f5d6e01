"""One state of the app, ready to be served: its functions with routes, listeners and manual starts.

It is built from the functions that the worker found. A reload builds a new state, which replaces it.
"""

import logging
from collections.abc import Iterator, Mapping

import msgspec

from durable_host.bindings.accounts import Accounts
from durable_host.bindings.blob_signals import BlobSignals
from durable_host.bindings.durable_client import DurableClientInput, Payload
from durable_host.bindings.queue_signals import QueueSignals
from durable_host.bindings.unserved_output import mode_of
from durable_host.clock import Clock, SystemClock
from durable_host.config import HostConfig
from durable_host.host.azure_warnings import azure_warnings
from durable_host.host.binding_registry import binding_registry
from durable_host.host.functions import AppFunctions, app_functions
from durable_host.host.manual_starts import manual_starts
from durable_host.host.triggers import AppTriggers, app_triggers, host_account
from durable_host.host_id import host_id_of
from durable_host.http_port.body_limit import configured_body_limit
from durable_host.invocation.errors import AppError
from durable_host.invocation.invoker import Invoker, Pipeline
from durable_host.invocation.metadata import IndexResult
from durable_host.ports import LOOPBACK
from durable_host.triggers.http.absent import AbsentHttpFunction, AbsentRoutes
from durable_host.triggers.http.failure_reply import ErrorDetails
from durable_host.triggers.http.trigger import HttpTrigger
from durable_host.web.manual_invocation import Start

_log = logging.getLogger("Host.Startup")

NO_FUNCTIONS = "DH4006"

_RETRIED_TRIGGERS = frozenset({"timertrigger"})
"""The served triggers for which Azure supports retry policies."""


class ServedApp(msgspec.Struct, frozen=True, kw_only=True):
    """One state of the app. `triggers` do not listen until `Listeners` runs them."""

    config: HostConfig
    index: IndexResult
    accounts: Accounts
    functions: AppFunctions
    pipeline: Pipeline
    http: HttpTrigger
    absent_http: AbsentRoutes
    triggers: AppTriggers
    starts: Mapping[str, Start]


class AppParts(msgspec.Struct, frozen=True, kw_only=True):
    """What all states of an app share. `base_url` is the host's. `has_debugger`: calls have no time limit.

    `clock` is that of the timers.
    """

    invoker: Invoker
    accounts: Accounts
    signals: QueueSignals
    blob_signals: BlobSignals
    client_payload: Payload
    base_url: str
    has_debugger: bool = False
    clock: Clock = SystemClock()


def served_app(parts: AppParts, config: HostConfig, index: IndexResult) -> ServedApp:
    """Build a state of the app; nothing is served yet. Raises AppError if the app's SDK is not supported."""
    require_known_protocol(index)
    accounts = parts.accounts.renewed(config.settings)
    client = DurableClientInput(parts.client_payload)
    registry = binding_registry(
        accounts,
        parts.signals,
        parts.blob_signals,
        config.host.queues,
        client,
        config.settings,
        mode_of(config.settings),
    )
    functions = app_functions(index, config, registry.serves)
    details = _error_details(config)
    candidates = (*functions.of_trigger("httptrigger"), *functions.disabled_of_trigger("httptrigger"))
    http = HttpTrigger(
        candidates,
        parts.invoker,
        config.host.http,
        details=details,
        base_url=parts.base_url,
        disabled=(function.name for function in functions.disabled),
        stream_limit=configured_body_limit(config.settings),
    )
    functions = functions.with_errors(http.routes.errors)
    return ServedApp(
        config=config,
        index=index,
        accounts=accounts,
        functions=functions,
        pipeline=Pipeline(
            bindings=registry,
            functions={function.name: function for function in (*functions.served, *functions.disabled)},
            default_retry=config.host.retry,
            function_timeout=None if parts.has_debugger else config.host.function_timeout,
        ),
        http=http,
        absent_http=AbsentRoutes(_absent_http(functions), config.host.http.route_prefix, explain=details.shown),
        triggers=app_triggers(
            functions, parts.invoker, accounts, config, parts.signals, parts.blob_signals, parts.clock
        ),
        starts=manual_starts(
            parts.invoker,
            parts.clock,
            accounts,
            config.settings,
            host_id_of(config.root, config.settings),
            config.host.http.route_prefix,
        ),
    )


def _absent_http(functions: AppFunctions) -> Iterator[AbsentHttpFunction]:
    """HTTP functions that are not served, except disabled ones, which have a different response."""
    disabled = {function.name for function in functions.disabled}
    for function in functions.absent:
        trigger = function.trigger
        if trigger is not None and trigger.type.lower() == "httptrigger" and function.name not in disabled:
            yield AbsentHttpFunction(
                name=function.name,
                trigger=trigger,
                reason=function.reason,
                status=500 if function.failed_to_load else 501,
            )


def report_problems(app: ServedApp, before: ServedApp | None = None) -> None:
    """Log functions that do not run, with reasons, unless already reported for the app `before`."""
    known = set(_problems(before)) if before is not None else set[tuple[int, str]]()
    for level, text in _problems(app):
        if (level, text) not in known:
            _log.log(level, "%s", text)


def _problems(app: ServedApp) -> Iterator[tuple[int, str]]:
    """Pairs of log level and text."""
    functions = app.functions
    for warning in app.index.warnings:
        yield logging.WARNING, warning
    for problem in functions.errors:
        text = f"The '{problem.function}' function is in error: {problem.message}"
        yield logging.ERROR, f"{text}\n{problem.traceback}" if problem.traceback else text
    for name, reason in functions.not_served.items():
        yield logging.WARNING, f"The function '{name}' does not run here: {reason}."
    yield from (
        (logging.WARNING, text) for text in azure_warnings(functions, app.pipeline.bindings, app.config.settings)
    )
    for function in functions.served:
        if function.retry is not None and function.trigger.type.lower() not in _RETRIED_TRIGGERS:
            yield (
                logging.WARNING,
                f"Soon retries will not be supported for function 'Functions.{function.name}'. For more information, "
                "please visit http://aka.ms/func-retry-policies.",
            )
    if functions.of_trigger("timertrigger") and host_account(app.accounts) is None:
        yield (
            logging.WARNING,
            "There is no storage account (AzureWebJobsStorage), so timers run without a monitor: they fire on "
            "schedule, but runs that are missed while the host is down are not made up.",
        )
    names = {function.name: None for function in app.index.functions}
    names |= {error.function or "": None for error in functions.errors}
    names |= dict.fromkeys(app.index.excluded)
    if not names:
        hint = app.index.hint or "Create one: func new"
        yield logging.WARNING, f"{NO_FUNCTIONS}: No functions were found in {app.config.root}. {hint}"
    known = {name.casefold() for name in names}
    missing = [f"'{name}'" for name in app.config.host.functions or () if name.casefold() not in known]
    if missing and names:
        yield (
            logging.WARNING,
            f"--functions, or 'functions' in host.json, names {', '.join(missing)}, which the app does not have. "
            f"It has: {', '.join(names)}.",
        )


def _error_details(config: HostConfig) -> ErrorDetails:
    """Whether a 500 contains the error: yes, unless it is disabled by a setting or others can reach this host."""
    setting = config.settings.get("DURABLE_HOST_ERROR_DETAILS", "").lower()
    if setting:
        return ErrorDetails(setting in ("1", "true"), by_address=True)
    return ErrorDetails(config.address in LOOPBACK)


def require_known_protocol(index: IndexResult) -> None:
    """Check that the app's durable protocol is supported.

    Raises AppError if the app asks for the protocol of the 2.x SDK but does not have that SDK, and GrpcMissing if the
    host's environment lacks gRPC.
    """
    if not index.requires_grpc:
        return
    version = index.sdk_versions.get("azure-functions-durable", "")
    if not version or version.partition(".")[0] in {"0", "1"}:
        raise AppError(
            "This app needs the protocol of azure-functions-durable 2.x, which is not installed in its environment.",
            cause="Its functions ask for gRPC (durableRequiresGrpc), and the installed SDK is "
            + (f"azure-functions-durable {version}." if version else "not azure-functions-durable."),
            remedy="Use the decorators of azure-functions-durable, and for the 1.x SDK: "
            'pip install "azure-functions-durable<2"',
            code="DH6010",
        )
    import durable_host.durable.proto  # noqa: F401  # pyright: ignore[reportUnusedImport]

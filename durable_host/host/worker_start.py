"""Builds the options for starting the app's worker processes.

Source: docs/protocol/functions-host-worker.md#worker-processes, docs/protocol/functions-host-cli.md#start-of-the-host
"""

import shlex

from durable_host.config import HostConfig, StartOptions
from durable_host.errors import ConfigurationError
from durable_host.host.worker_kinds import worker_kind_of
from durable_host.invocation.worker_kind import DebuggerAddress, WorkerKind
from durable_host.invocation.worker_options import DEFAULT_SCRIPT, WorkerOptions

MOST_PROCESSES = 10
WORKER_STARTED = "Worker process started and initialized."
"""Editors wait for this line."""


def worker_options(config: HostConfig, options: StartOptions) -> WorkerOptions:
    """The options. Raises InterpreterUnusable, and ConfigurationError for an invalid number of processes."""
    kind = worker_kind_of(config.runtime)
    environment = config.settings.environment()
    explicit = options.interpreter_of(kind.runtime)
    root = options.script_root or kind.script_root(config.root)
    interpreter = kind.find(root, explicit=explicit, environ=environment)
    arguments, debugger = kind.arguments(_arguments(kind, config, options))
    if options.debug_port is not None:
        debugger = DebuggerAddress(options.debug_port or kind.debug_port, wait=options.debug_wait)
    if debugger is not None:
        arguments = kind.debugged(arguments)
    return WorkerOptions(
        root=root,
        executable=interpreter.path,
        environment=environment,
        script=config.settings.get("PYTHON_SCRIPT_FILE_NAME") or DEFAULT_SCRIPT,
        process_count=_process_count(config),
        minimum_level=_minimum_level(config, options),
        arguments=arguments,
        debugger=debugger,
        functions=config.host.functions,
        kind=kind,
        function_timeout=config.host.function_timeout,
    )


def _arguments(kind: WorkerKind, config: HostConfig, options: StartOptions) -> list[str]:
    text = options.worker_arguments or config.settings.get(f"languageWorkers__{kind.runtime}__arguments") or ""
    try:
        return shlex.split(text)
    except ValueError as error:
        raise ConfigurationError(f"The arguments of the worker, '{text}', cannot be parsed: {error}.") from error


def _process_count(config: HostConfig) -> int:
    text = config.settings.get("FUNCTIONS_WORKER_PROCESS_COUNT", "").strip() or "1"
    if not text.isdigit() or not 1 <= int(text) <= MOST_PROCESSES:
        raise ConfigurationError(
            f"FUNCTIONS_WORKER_PROCESS_COUNT is '{text}', expected a number from 1 to {MOST_PROCESSES}.",
            remedy="Change it in local.settings.json or in the environment.",
        )
    return int(text)


def _minimum_level(config: HostConfig, options: StartOptions) -> int:
    """The lowest level of any rule: the worker does not send records below it."""
    levels = config.host.logging
    least = levels.level_for("Function.any.User", verbose=options.verbose)
    return max(0, min([least, *(level for _, level in levels.rules)]))

"""How the app's worker processes are started.

Source: docs/protocol/functions-host-worker.md#worker-processes, docs/protocol/functions-host-cli.md#start-of-the-host
"""

import shlex

from durable_host.config import HostConfig, StartOptions
from durable_host.errors import ConfigurationError
from durable_host.invocation.interpreter import find_interpreter
from durable_host.invocation.worker_options import DEFAULT_SCRIPT, DebuggerAddress, WorkerOptions

MOST_PROCESSES = 10
WORKER_STARTED = "Worker process started and initialized."
"""Editors wait for this line."""
ARGUMENTS_SETTING = "languageWorkers__python__arguments"
_NO_FROZEN_MODULES = "-Xfrozen_modules=off"


def worker_options(config: HostConfig, options: StartOptions) -> WorkerOptions:
    """Raises InterpreterUnusable, and ConfigurationError for an impossible number of processes."""
    environment = config.settings.environment()
    explicit = str(options.python) if options.python is not None else None
    interpreter = find_interpreter(config.root, explicit=explicit, environ=environment)
    arguments, debugger = interpreter_arguments(_arguments(config, options))
    if options.debug_port is not None:
        debugger = DebuggerAddress(options.debug_port, wait=options.debug_wait)
    if debugger is not None:
        arguments = (_NO_FROZEN_MODULES, *arguments)
    return WorkerOptions(
        root=config.root,
        python=interpreter.path,
        environment=environment,
        script=config.settings.get("PYTHON_SCRIPT_FILE_NAME") or DEFAULT_SCRIPT,
        process_count=_process_count(config),
        minimum_level=_minimum_level(config, options),
        arguments=arguments,
        debugger=debugger,
        functions=config.host.functions,
    )


def interpreter_arguments(arguments: list[str]) -> tuple[tuple[str, ...], DebuggerAddress | None]:
    """What editors put before the worker: `-m debugpy --listen 127.0.0.1:5678` becomes the debugger of the worker
    itself, which outlives reloads; everything else goes to the interpreter as it is.

    Raises ConfigurationError for a debugger with other options than to listen.
    """
    if arguments[:2] != ["-m", "debugpy"]:
        return tuple(arguments), None
    address: DebuggerAddress | None = None
    wait = False
    rest = iter(arguments[2:])
    for argument in rest:
        name, _, value = argument.partition("=")
        if name == "--listen":
            host, _, port = (value or next(rest, "")).rpartition(":")
            if not port.isdigit():
                raise _not_understood(arguments)
            address = DebuggerAddress(int(port), host.strip("[]") or "127.0.0.1")
        elif name == "--wait-for-client":
            wait = True
        elif name == "--log-to":
            _ = value or next(rest, "")
        elif name != "--log-to-stderr":
            raise _not_understood(arguments)
    if address is None:
        raise _not_understood(arguments)
    return (), DebuggerAddress(address.port, address.host, wait)


def _arguments(config: HostConfig, options: StartOptions) -> list[str]:
    text = options.worker_arguments or config.settings.get(ARGUMENTS_SETTING) or ""
    try:
        return shlex.split(text)
    except ValueError as error:
        raise ConfigurationError(f"The arguments of the worker, '{text}', cannot be parsed: {error}.") from error


def _not_understood(arguments: list[str]) -> ConfigurationError:
    return ConfigurationError(
        f"The arguments '{' '.join(arguments)}' of the worker are not supported.",
        cause="Only these debugpy options are supported: --listen [HOST:]PORT and --wait-for-client.",
        remedy='Use --debug PORT, or --language-worker "-m debugpy --listen 127.0.0.1:5678".',
    )


def _process_count(config: HostConfig) -> int:
    text = config.settings.get("FUNCTIONS_WORKER_PROCESS_COUNT", "").strip() or "1"
    if not text.isdigit() or not 1 <= int(text) <= MOST_PROCESSES:
        raise ConfigurationError(
            f"FUNCTIONS_WORKER_PROCESS_COUNT is '{text}', expected a number from 1 to {MOST_PROCESSES}.",
            remedy="Change it in local.settings.json or in the environment.",
        )
    return int(text)


def _minimum_level(config: HostConfig, options: StartOptions) -> int:
    """Records below the least level of any rule need not leave the worker."""
    levels = config.host.logging
    least = levels.level_for("Function.any.User", verbose=options.verbose)
    return max(0, min([least, *(level for _, level in levels.rules)]))

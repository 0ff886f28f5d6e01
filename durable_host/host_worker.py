"""How the app's worker processes are started.

Source: spec/functions-host.md, sections 2.1 and 8.2.
"""

from durable_host.config import HostConfig, StartOptions
from durable_host.errors import ConfigurationError
from durable_host.invocation.interpreter import find_interpreter
from durable_host.invocation.worker_options import DEFAULT_SCRIPT, WorkerOptions

MOST_PROCESSES = 10


def worker_options(config: HostConfig, options: StartOptions) -> WorkerOptions:
    """Raises InterpreterUnusable, and ConfigurationError for an impossible number of processes."""
    environment = config.settings.environment()
    explicit = str(options.python) if options.python is not None else None
    interpreter = find_interpreter(config.root, explicit=explicit, environ=environment)
    return WorkerOptions(
        root=config.root,
        python=interpreter.path,
        environment=environment,
        script=config.settings.get("PYTHON_SCRIPT_FILE_NAME") or DEFAULT_SCRIPT,
        process_count=_process_count(config),
        minimum_level=_minimum_level(config, options),
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

"""Passes the worker's log records and printed lines to the host's loggers.

Source: docs/protocol/functions-host-worker.md#log-records, docs/protocol/functions-host-worker.md#printed-output
"""

import logging
import uuid
from typing import Any

CONSOLE = logging.getLogger("Host.Function.Console")
WORKER = logging.getLogger("Host.Worker")

_SYSTEM_LOGGERS = ("azure_functions_worker", "azure.functions")
_CONSOLE_PREFIX = "LanguageWorkerConsoleLog"
_ERROR_WORDS = ("error", "fail", "severe", "unhandled exception")


_UNLOGGED = "unlogged-"


def unlogged_id() -> str:
    """Return a new ID for an invocation whose records and lines are not logged."""
    return _UNLOGGED + uuid.uuid4().hex


def is_unlogged(invocation_id: str) -> bool:
    """Whether nothing is logged about an invocation."""
    return invocation_id.startswith(_UNLOGGED)


def relay(frame: dict[str, Any], instance_id: str | None) -> None:
    """Log the content of a `log`, `console` or `worker` frame; `instance_id` is its durable instance, if any."""
    kind, text = frame["k"], frame["t"]
    if is_unlogged(frame.get("i", "")):
        return
    if kind == "console":
        text = _without_prefix(text)
        level = stderr_level(text) if frame["s"] == "stderr" else logging.INFO
        _log(CONSOLE, level, text, frame, instance_id)
    elif kind == "worker":
        _log(WORKER, frame["l"], text, frame, instance_id)
    else:
        _log(_user_logger(frame), frame["l"], text, frame, instance_id)


def _without_prefix(line: str) -> str:
    """Remove the prefix with which programs mark lines for the host's log."""
    if line[: len(_CONSOLE_PREFIX)].lower() != _CONSOLE_PREFIX.lower():
        return line
    return line[len(_CONSOLE_PREFIX) :].lstrip()


def stderr_level(line: str) -> int:
    """The level of a line on stderr, determined by its words."""
    line = line.lower()
    if "warn" in line:
        return logging.WARNING
    return logging.ERROR if any(word in line for word in _ERROR_WORDS) else logging.INFO


def _user_logger(frame: dict[str, Any]) -> logging.Logger:
    """The logger for a record. Records without an invocation (imports, background threads) are shown too."""
    category: str = frame["c"]
    if category.startswith(_SYSTEM_LOGGERS):
        return WORKER
    function = frame.get("f")
    return logging.getLogger(f"Function.{function}.User") if function else CONSOLE


def _log(logger: logging.Logger, level: int, text: str, frame: dict[str, Any], instance_id: str | None) -> None:
    if not logger.isEnabledFor(level) or not text:
        return
    extra: dict[str, Any] = {"category": frame.get("c")}
    if (function := frame.get("f")) is not None:
        extra["function"] = function
        extra["invocation_id"] = frame.get("i")
    if instance_id is not None:
        extra["instance_id"] = instance_id
    # Without arguments, a percent sign in the text has no special meaning.
    logger.log(level, text, extra=extra)

"""Passes the worker's log records to the host's loggers.

Source: docs/protocol/function-rpc.md#logs
"""

import logging
from typing import Any, Final

from durable_host.invocation import log_relay

_LEVELS: tuple[int, ...] = (5, logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL)
_FRAMEWORK: Final = (
    "Microsoft.AspNetCore.",
    "Microsoft.Hosting.",
    "Microsoft.Extensions.Hosting.",
    "System.Net.Http.",
    "Microsoft.DurableTask.",
)
_REPEATED: Final = ("Microsoft.DurableTask.Worker.", "Microsoft.Azure.Functions.Worker.Extensions.DurableTask.")
"""Categories of the start and the end of orchestrations, which the host logs itself, with their errors."""
_FAILED: Final = "InvocationError"
_JSON_LINES: Final = "azfuncjsonlog:"


def relay(record: Any, function: str | None, instance_id: str | None) -> None:
    """Log an RpcLog. `function` and `instance_id` are those of its invocation, if it is known.

    The worker's own records, those of the framework below Warning, and what the response and the host repeat are
    logged at debug level.
    """
    if record.level >= len(_LEVELS):
        return
    number: int = record.level
    level = _LEVELS[number]
    category: str = record.category
    text: str = record.message
    if record.HasField("exception"):
        text = f"{text}\n{record.exception.message or record.exception.stack_trace}".strip()
    is_framework = category.startswith(_FRAMEWORK) and level < logging.WARNING
    is_repeated = record.event_id == _FAILED or category.startswith(_REPEATED)
    if record.log_category or is_framework or is_repeated:
        log_relay.relay({"k": "worker", "l": min(level, logging.DEBUG), "t": text, "c": category}, instance_id)
        return
    frame: dict[str, Any] = {"k": "log", "l": level, "t": text, "c": category}
    if function is not None:
        frame |= {"f": function, "i": record.invocation_id}
    log_relay.relay(frame, instance_id)


def relay_line(line: str, stream: str) -> None:
    """Log a line that the process has printed on the stream, unless it is for tools."""
    if not line.startswith(_JSON_LINES):
        log_relay.relay({"k": "console", "s": stream, "t": line}, None)

"""The retry policy of the app in host.json (with the same form as in function.json).

Source: docs/protocol/functions-host-config.md#retry-settings, docs/protocol/functions-host-worker.md#retry-policies
"""

import msgspec

from durable_host.config.section import Section

_LONGEST = 2_147_483_647.0


class RetryOptions(msgspec.Struct, frozen=True):
    """How a failed invocation is retried. Times in seconds.

    `strategy` is `fixedDelay` (waits `delay_interval`) or `exponentialBackoff` (from `minimum_interval` up to
    `maximum_interval`). `max_retry_count` -1 means no limit.
    """

    strategy: str
    max_retry_count: int
    delay_interval: float = 0.0
    minimum_interval: float = 0.0
    maximum_interval: float = _LONGEST


def read(section: Section) -> RetryOptions:
    """Read a retry object. Raises an error if a setting for its strategy is missing."""
    strategy = section.choice("strategy", ("fixedDelay", "exponentialBackoff"), "")
    if not strategy:
        raise section.error("strategy", '"fixedDelay" or "exponentialBackoff"')
    if "maxRetryCount" not in section:
        raise section.error("maxRetryCount", "a whole number (-1 for no limit); it is mandatory")
    needed = ("delayInterval",) if strategy == "fixedDelay" else ("minimumInterval", "maximumInterval")
    for key in needed:
        if key not in section:
            raise section.error(key, f'a time span "hh:mm:ss"; {strategy} needs it')
    options = RetryOptions(
        strategy=strategy,
        max_retry_count=section.integer("maxRetryCount", 0, minimum=-1),
        delay_interval=section.span("delayInterval", 0.0),
        minimum_interval=section.span("minimumInterval", 0.0),
        maximum_interval=section.span("maximumInterval", _LONGEST),
    )
    section.close()
    return options

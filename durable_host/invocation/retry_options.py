"""Reads the retry policies from the worker.

Source: docs/protocol/functions-host-worker.md#retry-policies
"""

from collections.abc import Mapping
from typing import Any

from durable_host.config import timespan
from durable_host.config.retry import RetryOptions

_WORKER_STRATEGIES = {"fixed_delay": "fixedDelay", "exponential_backoff": "exponentialBackoff"}
_JSON_STRATEGIES = {name.lower(): name for name in _WORKER_STRATEGIES.values()}


def from_worker(settings: Mapping[str, Any] | None) -> RetryOptions | None:
    """The policy of `@app.retry` (intervals in seconds) or a `raw` object of function.json.

    The worker has already checked `@app.retry` by the rules of Azure's worker; this checks the rules of Azure's host.
    Raises ValueError.
    """
    if settings is None:
        return None
    if (raw := settings.get("raw")) is not None:
        return _checked(_from_function_json(raw), "maxRetryCount", "minimumInterval", "maximumInterval")
    intervals = {name: settings[name] for name in ("delay_interval", "minimum_interval", "maximum_interval")}
    options = RetryOptions(
        strategy=_WORKER_STRATEGIES[settings["strategy"]],
        max_retry_count=settings["max_retry_count"],
        **{name: seconds for name, seconds in intervals.items() if seconds is not None},
    )
    return _checked(options, "max_retry_count", "minimum_interval", "maximum_interval")


def _checked(options: RetryOptions, count: str, minimum: str, maximum: str) -> RetryOptions:
    """Check the policy and return it. The names are those in the user's code, for errors."""
    if options.max_retry_count < -1:
        raise ValueError(
            f"'{count}' of 'retry' must be a whole number from -1 (forever), not {options.max_retry_count}"
        )
    if options.minimum_interval > options.maximum_interval:
        raise ValueError(f"'{minimum}' of 'retry' must not be longer than '{maximum}'")
    return options


def _from_function_json(raw: Mapping[str, Any]) -> RetryOptions:
    strategy = _strategy(raw.get("strategy"))
    count = raw.get("maxRetryCount")
    if isinstance(count, bool) or not isinstance(count, int):
        raise ValueError(f"'maxRetryCount' of 'retry' must be a whole number from -1 (forever), {_found(count)}")
    if strategy == "fixedDelay":
        return RetryOptions(strategy, count, delay_interval=_interval(raw, "delayInterval", strategy))
    return RetryOptions(
        strategy,
        count,
        minimum_interval=_interval(raw, "minimumInterval", strategy),
        maximum_interval=_interval(raw, "maximumInterval", strategy),
    )


def _strategy(text: Any) -> str:
    strategy = _JSON_STRATEGIES.get(str(text).lower())
    if strategy is None:
        close = _JSON_STRATEGIES.get(str(text).replace("_", "").replace("-", "").lower())
        remedy = f': write "strategy": "{close}"' if close else ""
        raise ValueError(f"the strategy of 'retry' must be fixedDelay or exponentialBackoff, {_found(text)}{remedy}")
    return strategy


def _interval(raw: Mapping[str, Any], name: str, strategy: str) -> float:
    text = raw.get(name)
    if text is None:
        raise ValueError(f"the strategy {strategy} of 'retry' needs '{name}': write \"{name}\": \"00:00:10\"")
    if not isinstance(text, str):
        raise ValueError(f"'{name}' of 'retry' must be a time such as \"00:00:10\", not {text!r}")
    seconds = timespan.parse(text)
    if seconds < 0:
        raise ValueError(f"'{name}' of 'retry' must not be negative, not {text!r}")
    return seconds


def _found(value: Any) -> str:
    return "and is missing" if value is None else f"not {value!r}"

"""Reads the retry policies that the worker reports (spec/functions-host.md, sections 1.6 and 6.7)."""

from collections.abc import Mapping
from typing import Any

from durable_host.config import timespan
from durable_host.config.retry import RetryOptions

_STRATEGIES = {"fixeddelay": "fixedDelay", "exponentialbackoff": "exponentialBackoff"}


def from_worker(settings: Mapping[str, Any] | None) -> RetryOptions | None:
    """The policy of `@app.retry` (intervals in seconds) or a `raw` object of function.json.

    Raises ValueError that says what is wrong.
    """
    if settings is None:
        return None
    if (raw := settings.get("raw")) is not None:
        return _from_function_json(raw)
    intervals = {name: settings[name] for name in ("delay_interval", "minimum_interval", "maximum_interval")}
    return RetryOptions(
        strategy=_strategy(settings["strategy"]),
        max_retry_count=settings["max_retry_count"],
        **{name: seconds for name, seconds in intervals.items() if seconds is not None},
    )


def _from_function_json(raw: Mapping[str, Any]) -> RetryOptions:
    strategy = _strategy(raw.get("strategy"))
    count = raw.get("maxRetryCount")
    if isinstance(count, bool) or not isinstance(count, int) or count < -1:
        raise ValueError(f"'maxRetryCount' of 'retry' must be a whole number from -1 (for ever), not {count!r}")
    if strategy == "fixedDelay":
        return RetryOptions(strategy, count, delay_interval=_interval(raw, "delayInterval", strategy))
    return RetryOptions(
        strategy,
        count,
        minimum_interval=_interval(raw, "minimumInterval", strategy),
        maximum_interval=_interval(raw, "maximumInterval", strategy),
    )


def _strategy(text: Any) -> str:
    strategy = _STRATEGIES.get(str(text).replace("_", "").lower())
    if strategy is None:
        raise ValueError(f"the strategy of 'retry' must be fixedDelay or exponentialBackoff, not {text!r}")
    return strategy


def _interval(raw: Mapping[str, Any], name: str, strategy: str) -> float:
    text = raw.get(name)
    if not isinstance(text, str):
        raise ValueError(f"'{name}' of 'retry' must be a time such as \"00:00:10\", not {text!r}; {strategy} needs it")
    return timespan.parse(text)

"""Creates OpenTelemetry spans if an SDK is configured in this process. Without one, it does nothing, at no cost.

An SDK is configured if there is a tracer provider: set by a program that embeds the host, by
`opentelemetry-instrument`, or by `telemetry.configure` from OTEL_* settings. Trace context is passed as the two W3C
header values.
"""

import secrets
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Literal, NamedTuple

from durable_host.redaction import redacted

Kind = Literal["server", "client", "producer", "consumer"]

_INSTRUMENTATION = "durable_host"
_HEADER = "00-{trace:032x}-{span:016x}-{flags:02x}"
_chosen_span_id: ContextVar[int | None] = ContextVar("durable_host_chosen_span_id", default=None)
_tracers: dict[int, tuple[Any, Any]] = {}


class Parent(NamedTuple):
    """`traceparent` and `tracestate`."""

    header: str | None
    state: str | None = None


class OpenSpan:
    """A span that has not ended. `header` and `state` are the parent context for its children."""

    def __init__(self, span: Any) -> None:
        context = span.get_span_context()
        self.header = _HEADER.format(trace=context.trace_id, span=context.span_id, flags=int(context.trace_flags))
        self.state: str | None = context.trace_state.to_header() or None
        self._span = span

    def fail(self, text: str) -> None:
        api = sys.modules["opentelemetry.trace"]
        self._span.set_status(api.Status(api.StatusCode.ERROR, redacted(text)))

    def end(self) -> None:
        self._span.end()


def configured() -> bool:
    """True if spans are recorded."""
    return _tracer() is not None


def open_span(name: str, kind: Kind, parent: Parent, attributes: Mapping[str, Any]) -> OpenSpan | None:
    """Start a span; the caller ends it. Returns None if no SDK is configured."""
    tracer = _tracer()
    if tracer is None:
        return None
    return OpenSpan(tracer.start_span(name, _context_of(parent), kind=_kind(kind), attributes=_attributes(attributes)))


@contextmanager
def span(name: str, kind: Kind, parent: Parent, attributes: Mapping[str, Any]) -> Generator[OpenSpan | None]:
    """A span around a block; an exception marks it as failed. Yields None if no SDK is configured."""
    opened = open_span(name, kind, parent, attributes)
    if opened is None:
        yield None
        return
    try:
        yield opened
    except Exception as error:
        opened.fail(f"{type(error).__name__}: {error}")
        raise
    finally:
        opened.end()


def reserve(parent: Parent) -> str | None:
    """The header of a child span that is recorded later, possibly by another process. None if the parent is invalid."""
    parts = (parent.header or "").split("-")
    if len(parts) < 4 or len(parts[1]) != 32:
        return None
    return "-".join(("00", parts[1], secrets.token_hex(8), parts[3]))


def record(
    header: str,
    name: str,
    kind: Kind,
    parent: Parent,
    attributes: Mapping[str, Any],
    *,
    start: int,
    end: int,
    error: str | None,
) -> None:
    """Record the span for which `reserve` returned `header`. Times are nanoseconds since 1970."""
    tracer = _tracer()
    if tracer is None:
        return
    token = _chosen_span_id.set(int(header.split("-")[2], 16))
    try:
        made = tracer.start_span(
            name, _context_of(parent), kind=_kind(kind), attributes=_attributes(attributes), start_time=start
        )
    finally:
        _chosen_span_id.reset(token)
    if error is not None:
        OpenSpan(made).fail(error)
    made.end(end_time=max(start, end))


def _tracer() -> Any:
    api = sys.modules.get("opentelemetry.trace")
    if api is None:
        return None
    provider = api.get_tracer_provider()
    if isinstance(provider, api.ProxyTracerProvider | api.NoOpTracerProvider):
        return None
    known = _tracers.get(id(provider))
    if known is None or known[0] is not provider:
        tracer = provider.get_tracer(_INSTRUMENTATION)
        if hasattr(tracer, "id_generator"):
            tracer.id_generator = _ChosenIds(tracer.id_generator)
        _tracers.clear()
        known = _tracers[id(provider)] = (provider, tracer)
    return known[1]


class _ChosenIds:
    """The SDK's ID generator, except that `record` can choose an ID."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def generate_span_id(self) -> int:
        return _chosen_span_id.get() or self._inner.generate_span_id()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def _attributes(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: redacted(value) if isinstance(value, str) else value for name, value in attributes.items()}


def _context_of(parent: Parent) -> Any:
    from opentelemetry.context import Context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    if not parent.header:
        return Context()
    carrier = {"traceparent": parent.header, "tracestate": parent.state or ""}
    return TraceContextTextMapPropagator().extract(carrier, Context())


def _kind(kind: Kind) -> Any:
    from opentelemetry.trace import SpanKind

    return SpanKind[kind.upper()]

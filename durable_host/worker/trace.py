"""Hands the trace context of an invocation on to OpenTelemetry, where the app has it loaded."""

from __future__ import annotations

import logging
import sys
from typing import Any

_SAMPLED = 1


def enter(trace_parent: str | None, trace_state: str | None) -> None:
    """Make the caller's span the current one: user code's spans and the durable client's calls continue its trace.

    One that nobody records is left out, because the usual sampler would then record nothing that user code does.
    """
    context: Any = sys.modules.get("opentelemetry.context")
    propagation: Any = sys.modules.get("opentelemetry.trace.propagation.tracecontext")
    if not trace_parent or context is None or propagation is None:
        return
    try:
        if not int(trace_parent.rpartition("-")[2], 16) & _SAMPLED:
            return
        carrier = {"traceparent": trace_parent, "tracestate": trace_state or ""}
        context.attach(propagation.TraceContextTextMapPropagator().extract(carrier))
    except Exception:
        logging.getLogger(__name__).debug("The trace context %r was not passed on", trace_parent, exc_info=True)

"""Passes the trace context of an invocation to OpenTelemetry, if the app has loaded it."""

from __future__ import annotations

import logging
import sys
from typing import Any

_SAMPLED = 1


def enter(trace_parent: str | None, trace_state: str | None) -> None:
    """Make the caller's span the current one, so that user code and the durable client continue its trace.

    A span that is not recorded is skipped, because the default sampler would then not record the spans of user code.
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

"""Configures the OpenTelemetry SDK from OTEL_* settings, if it is installed.

The SDK itself reads most of them (OTEL_SERVICE_NAME, OTEL_TRACES_SAMPLER, OTEL_RESOURCE_ATTRIBUTES ...). This module
decides whether to configure it, and which exporters to use.
"""

import logging
import os
from collections.abc import Mapping
from typing import Any

_log = logging.getLogger("Host.Startup")

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_REMEDY = "pip install opentelemetry-sdk opentelemetry-exporter-otlp"


def configure(settings: Mapping[str, str]) -> bool:
    """Set a tracer provider if OTEL_TRACES_EXPORTER or an OTLP endpoint is set. Returns whether it was set.

    The app's settings count like the environment. Logs a warning if the SDK or a requested exporter is not installed.
    """
    names = _exporters(settings)
    if not names:
        return False
    for name, value in settings.items():
        if name.startswith("OTEL_"):
            os.environ.setdefault(name, value)
    try:
        from opentelemetry import trace
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        _log.warning(
            "No traces: OTEL_* settings ask for them, but the OpenTelemetry SDK is not installed (%s).", _REMEDY
        )
        return False
    if not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        return False
    processors = [BatchSpanProcessor(exporter) for name in names if (exporter := _exporter(name)) is not None]
    if not processors:
        return False
    provider = TracerProvider()
    for processor in processors:
        provider.add_span_processor(processor)
    trace.set_tracer_provider(provider)
    return True


def _exporters(settings: Mapping[str, str]) -> list[str]:
    if settings.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return []
    wanted = settings.get("OTEL_TRACES_EXPORTER", "").strip()
    if not wanted and any(settings.get(name) for name in _ENDPOINTS):
        wanted = "otlp"
    return [name for part in wanted.split(",") if (name := part.strip()) not in ("", "none")]


def _exporter(name: str) -> Any:
    """The exporter that a package registers under this name. Logs a warning and returns None if there is none."""
    from importlib.metadata import entry_points

    found = next(iter(entry_points(group="opentelemetry_traces_exporter", name=_registered_name(name))), None)
    if found is None:
        _log.warning("No traces to '%s': no installed package provides this exporter (%s).", name, _REMEDY)
        return None
    try:
        return found.load()()
    except Exception as error:
        _log.warning("No traces to '%s': %s: %s", name, type(error).__name__, error)
        return None


def _registered_name(name: str) -> str:
    if name != "otlp":
        return name
    protocol = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
    return "otlp_proto_http" if protocol in (None, "http/protobuf") else "otlp_proto_grpc"

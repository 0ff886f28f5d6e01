"""Settings of `extensions.http`, `extensions.queues`, `extensions.blobs` and `extensions.mcp` in host.json.

Source: docs/protocol/functions-host-config.md#extension-options, docs/protocol/functions-host-http.md#http-options
"""

import os

import msgspec

from durable_host.config import notes, timespan
from durable_host.config.headers import header_mistake
from durable_host.config.section import Section


class HttpOptions(msgspec.Struct, frozen=True, kw_only=True):
    """HTTP options. `route_prefix` has no slashes at its ends; empty means no prefix. -1 means no limit."""

    route_prefix: str = "api"
    max_outstanding_requests: int = -1
    max_concurrent_requests: int = -1
    custom_headers: tuple[tuple[str, str], ...] = ()
    """Added to every response of a function."""
    hsts: str | None = None
    """The value of the Strict-Transport-Security header; None for no header."""


class QueueOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How queue triggers poll. Times in seconds."""

    batch_size: int = 16
    new_batch_threshold: int = 8
    max_polling_interval: float = 2.0
    visibility_timeout: float = 0.0
    max_dequeue_count: int = 5
    message_encoding: str = "base64"
    """`base64` or `none`."""


class BlobOptions(msgspec.Struct, frozen=True, kw_only=True):
    max_degree_of_parallelism: int = 8
    poison_blob_threshold: int = 5


class McpOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How the app presents itself to MCP clients."""

    instructions: str = ""
    server_name: str = "Azure Functions MCP server"
    server_version: str = "1.0.0"
    uses_absolute_endpoint: bool = False
    """The message address of the SSE transport is an absolute URL."""
    is_anonymous: bool = False
    """Callers need no key, even with --enable-auth."""


def read_http(section: Section) -> HttpOptions:
    headers = section.section("customHeaders")
    options = HttpOptions(
        route_prefix=section.text("routePrefix", "api").strip().strip("/"),
        max_outstanding_requests=section.integer("maxOutstandingRequests", -1, minimum=-1),
        max_concurrent_requests=section.integer("maxConcurrentRequests", -1, minimum=-1),
        custom_headers=tuple(_header(headers, name) for name, _ in headers.items()),
        hsts=_hsts(section.section("hsts")),
    )
    notes.add(section, "extensions.http")
    section.close()
    return options


def _header(section: Section, name: str) -> tuple[str, str]:
    value = section.text(name, "")
    if (mistake := header_mistake(name, value)) is not None:
        raise section.error(name, "", mistake)
    return name, value


def _hsts(section: Section) -> str | None:
    enabled = section.boolean("isEnabled", False)
    seconds = _max_age(section)
    parts = [f"max-age={int(seconds)}"]
    if section.boolean("includeSubDomains", False):
        parts.append("includeSubDomains")
    if section.boolean("preload", False):
        parts.append("preload")
    notes.add(section, "extensions.http.hsts")
    section.close()
    return "; ".join(parts) if enabled else None


def _max_age(section: Section) -> float:
    """Seconds. As in Azure, a number without colons means days."""
    value = section.raw("maxAge")
    days = value.strip() if isinstance(value, str) else ""
    if not (days.isascii() and days.isdigit() and len(days) < 8):
        return section.span("maxAge", 30 * 86_400.0)
    seconds = int(days) * 86_400.0
    clear = timespan.render(seconds)
    section.warn("maxAge", f'is "{days}", which means {days} days, as in Azure. Write "{clear}" to make that clear.')
    return seconds


def read_queues(section: Section) -> QueueOptions:
    batch_size = section.integer("batchSize", 16, minimum=1, maximum=32)
    options = QueueOptions(
        batch_size=batch_size,
        new_batch_threshold=section.integer("newBatchThreshold", batch_size // 2 * (os.cpu_count() or 1), minimum=0),
        max_polling_interval=section.span("maxPollingInterval", 2.0, minimum=0.1),
        visibility_timeout=section.span("visibilityTimeout", 0.0, maximum=7 * 86_400.0),
        max_dequeue_count=section.integer("maxDequeueCount", 5, minimum=1),
        message_encoding=section.choice("messageEncoding", ("base64", "none"), "base64"),
    )
    section.close()
    return options


def read_blobs(section: Section) -> BlobOptions:
    options = BlobOptions(
        max_degree_of_parallelism=section.integer("maxDegreeOfParallelism", 8 * (os.cpu_count() or 1), minimum=1),
        poison_blob_threshold=section.integer("poisonBlobThreshold", 5, minimum=1),
    )
    section.close()
    return options


def read_mcp(section: Section) -> McpOptions:
    messages, system = section.section("messageOptions"), section.section("system")
    level = system.choice("webhookAuthorizationLevel", ("System", "Anonymous"), "System")
    options = McpOptions(
        instructions=section.text("instructions", ""),
        server_name=section.text("serverName", McpOptions().server_name),
        server_version=section.text("serverVersion", McpOptions().server_version),
        uses_absolute_endpoint=messages.boolean("useAbsoluteUriForEndpoint", False),
        is_anonymous=level == "Anonymous",
    )
    notes.add(section, "extensions.mcp")
    for part in (messages, system, section):
        part.close()
    return options

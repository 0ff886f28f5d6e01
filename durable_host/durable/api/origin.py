"""The origin of generated URLs. Source: docs/protocol/durable-http-api.md#starting-an-instance"""

from aiohttp import web

from durable_host.durable.api.errors import ForwardedPort

_PORTS = {"http": 80, "https": 443}


def origin_of(request: web.Request, *, use_forwarded: bool) -> str:
    """Return `scheme://host[:port]` of `request`. Raises `ForwardedPort`.

    With `use_forwarded`, scheme and host are taken from `X-Forwarded-Proto` and `X-Forwarded-Host` if both are set,
    together with the port of the request.
    """
    host, scheme = request.headers.get("X-Forwarded-Host"), request.headers.get("X-Forwarded-Proto")
    if not (use_forwarded and host and scheme):
        return f"{request.scheme}://{request.host}"
    if ":" in host:
        raise ForwardedPort(host)
    port = request.url.port
    return f"{scheme}://{host}" + ("" if port is None or port == _PORTS.get(scheme.lower()) else f":{port}")

"""URLs of the host with the name that the caller used."""

from aiohttp import web


def base_url_of(request: web.Request) -> str:
    """`http://localhost:7071`, with the name and port of the caller's `Host` header; no slash at the end."""
    return f"{request.scheme}://{request.host}"


def own_url(request: web.Request) -> str:
    """The URL of the request, without the query."""
    return base_url_of(request) + request.rel_url.raw_path


def links(request: web.Request) -> list[dict[str, str]]:
    """The `links` member of a response, with a link to itself."""
    return [{"rel": "self", "href": own_url(request)}]

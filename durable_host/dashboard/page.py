"""The files of the page. They are read once, when the dashboard is first used."""

import hashlib
import html
from collections.abc import Mapping
from pathlib import Path

import msgspec
from aiohttp import web

_FOLDER = Path(__file__).with_name("static")
_TYPES = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".html": "text/html",
    ".woff2": "font/woff2",
    ".txt": "text/plain",
    ".md": "text/plain",
}
_SHELL = "index.html"
_TOKEN = b"{{token}}"


class Asset(msgspec.Struct, frozen=True):
    """A file of the page."""

    content: bytes
    content_type: str
    etag: str


class DashboardPage:
    """The shell, and the assets below `/_df/assets/`. `token` is written into the shell."""

    def __init__(self, token: str | None) -> None:
        assets = _assets(_FOLDER)
        shell = assets.pop(_SHELL).content
        self._shell = shell.replace(_TOKEN, html.escape(token or "").encode())
        self._assets: Mapping[str, Asset] = assets

    def shell(self) -> web.Response:
        """The page itself; it shows what its URL names."""
        return web.Response(
            body=self._shell, content_type="text/html", charset="utf-8", headers={"Cache-Control": "no-store"}
        )

    def asset(self, name: str, request: web.Request) -> web.Response | None:
        """A file of the page by its path below `/_df/assets/`; None if there is no such file."""
        asset = self._assets.get(name)
        if asset is None:
            return None
        headers = {"ETag": asset.etag, "Cache-Control": "no-cache"}
        if asset.etag in request.headers.get("If-None-Match", ""):
            return web.Response(status=304, headers=headers)
        return web.Response(body=asset.content, content_type=asset.content_type, charset="utf-8", headers=headers)


def _assets(folder: Path) -> dict[str, Asset]:
    found: dict[str, Asset] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            kind = _TYPES.get(path.suffix, "application/octet-stream")
            found[path.relative_to(folder).as_posix()] = Asset(
                content, kind, f'"{hashlib.sha256(content).hexdigest()[:20]}"'
            )
    return found

"""Delays the loading of the system's CA certificates from aiohttp's import to its first TLS connection.

aiohttp creates two TLS contexts when it is imported, and each loads the certificates. That takes a seventh of the CPU
time of a host's start, and most hosts never use these contexts. A worker does not change aiohttp: there it belongs to
the app.
"""

import contextlib
import ssl
import threading
from collections.abc import Callable, Generator
from typing import Any

_PLAIN = ssl.SSLContext
"""Python's class, unless a package (truststore, gevent) has put its own in place."""
_LOADING = ("load_default_certs", "set_default_verify_paths")

_lock = threading.Lock()


def import_aiohttp() -> None:
    """Import aiohttp, with contexts that load the certificates late."""
    with loading_late():
        import aiohttp.connector  # noqa: F401  # pyright: ignore[reportUnusedImport]


class LateContext(ssl.SSLContext):
    """A TLS context that loads its certificates when it is first used, and is then a plain one."""

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        return self._loaded().wrap_bio(*args, **kwargs)

    def wrap_socket(self, *args: Any, **kwargs: Any) -> ssl.SSLSocket:
        return self._loaded().wrap_socket(*args, **kwargs)

    def get_ca_certs(self, *args: Any, **kwargs: Any) -> Any:
        context: Any = self._loaded()
        return context.get_ca_certs(*args, **kwargs)

    def cert_store_stats(self) -> dict[str, int]:
        return self._loaded().cert_store_stats()

    def _loaded(self) -> ssl.SSLContext:
        with _lock:
            loads: list[Callable[[], None]] = self.__dict__.pop("late_loads", [])
            for load in loads:
                load()
            context: Any = self
            context.__class__ = _PLAIN
        return self


@contextlib.contextmanager
def loading_late() -> Generator[None, None, None]:
    """In this block, new contexts of Python's own class load their default certificates when they are first used."""
    if ssl.SSLContext is not _PLAIN or _PLAIN.__module__ != "ssl":
        yield
        return
    kept = {name: vars(_PLAIN).get(name) for name in _LOADING}
    plain = {name: getattr(_PLAIN, name) for name in _LOADING}

    def later(name: str) -> Callable[..., None]:
        def load(context: ssl.SSLContext, *args: Any, **kwargs: Any) -> None:
            if type(context) is _PLAIN:
                context.__class__ = LateContext
            if not isinstance(context, LateContext):
                plain[name](context, *args, **kwargs)
                return
            context.__dict__.setdefault("late_loads", []).append(lambda: plain[name](context, *args, **kwargs))

        return load

    for name in _LOADING:
        setattr(_PLAIN, name, later(name))
    try:
        yield
    finally:
        for name, method in kept.items():
            if method is None:
                delattr(_PLAIN, name)
            else:
                setattr(_PLAIN, name, method)

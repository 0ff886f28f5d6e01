"""Lets aiohttp read the certificates of all authorities with its first TLS connection, not when it is imported.

aiohttp creates two TLS contexts at its import, and each reads the system's certificates. That is a sixth of the CPU
time until an app is loaded, because the durable SDK imports aiohttp; most apps never use these contexts.
"""

from __future__ import annotations

import contextlib
import importlib.util
import ssl
import sys
import threading
from collections.abc import Callable, Generator, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

MODULE = "aiohttp.connector"

_lock = threading.Lock()


def install() -> None:
    """From now on, an import of aiohttp creates contexts that read the certificates late."""
    if MODULE not in sys.modules:
        sys.meta_path.insert(0, _Finder())


class LateContext(ssl.SSLContext):
    """A context that is made plain by its first use, which loads its certificates."""

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        return self._loaded().wrap_bio(*args, **kwargs)

    def wrap_socket(self, *args: Any, **kwargs: Any) -> ssl.SSLSocket:
        return self._loaded().wrap_socket(*args, **kwargs)

    def get_ca_certs(self, binary_form: Any = False) -> Any:
        context: Any = self._loaded()
        return context.get_ca_certs(binary_form)

    def cert_store_stats(self) -> dict[str, int]:
        return self._loaded().cert_store_stats()

    def _loaded(self) -> ssl.SSLContext:
        with _lock:
            loads: list[Callable[[], None]] = self.__dict__.pop("late_loads", [])
            for load in loads:
                load()
            context: Any = self
            context.__class__ = ssl.SSLContext
        return self


@contextlib.contextmanager
def loading_late() -> Generator[None, None, None]:
    """Contexts that are created within load their default certificates later."""
    kept = {name: ssl.SSLContext.__dict__.get(name) for name in ("load_default_certs", "set_default_verify_paths")}
    plain = {name: getattr(ssl.SSLContext, name) for name in kept}

    def later(name: str) -> Callable[..., None]:
        def load(context: ssl.SSLContext, *args: Any) -> None:
            if type(context) is ssl.SSLContext:
                context.__class__ = LateContext
            if not isinstance(context, LateContext):
                plain[name](context, *args)
                return
            context.__dict__.setdefault("late_loads", []).append(lambda: plain[name](context, *args))

        return load

    for name in kept:
        setattr(ssl.SSLContext, name, later(name))
    try:
        yield
    finally:
        for name, method in kept.items():
            if method is None:
                delattr(ssl.SSLContext, name)
            else:
                setattr(ssl.SSLContext, name, method)


class _Finder:
    """Finds aiohttp's module as any import does, and executes it within `loading_late`."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != MODULE:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        loader: Any = None if spec is None else spec.loader
        if loader is not None:
            execute = loader.exec_module

            def exec_module(module: ModuleType) -> None:
                del loader.exec_module
                with loading_late():
                    execute(module)

            loader.exec_module = exec_module
        return spec

"""Imports aiohttp for the 1.x SDK's client after the app has been indexed, and not while it is loaded.

The SDK sends requests with aiohttp, whose import takes two fifths of the time of loading an app. Only the SDK's module
`http_utils` uses it, and only in annotations while it is imported. Until `settle`, or the first request, a stand-in has
its place in this module. All other code that imports aiohttp gets the package immediately, and so does a version of
this module that needs more than annotations.
"""

from __future__ import annotations

import builtins
import importlib
import importlib.util
import sys
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType
from typing import Any

_PACKAGE = "aiohttp"
_USER = "azure.durable_functions.models.utils.http_utils"


class LateAiohttp:
    """A finder for the SDK's module. Put it in front of the others, and call `settle` when the app has been indexed."""

    def __init__(self) -> None:
        self._loader: _LateLoader | None = None

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if fullname != _USER or _PACKAGE in sys.modules or importlib.util.find_spec(_PACKAGE) is None:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or type(spec.loader) is not SourceFileLoader:
            return None
        spec.loader = self._loader = _LateLoader(spec.loader.name, spec.loader.path)
        return spec

    def settle(self) -> None:
        """Import aiohttp if the SDK needs it. Raises the errors of the import; the client's first request does too."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        if self._loader is not None and self._loader.stand_in is not None:
            self._loader.stand_in.replace()


class _LateLoader(SourceFileLoader):
    """Executes a module for which `import aiohttp` is the stand-in; once more with the package if that is not enough.

    Later imports in it find the package.
    """

    stand_in: _StandIn | None = None

    def exec_module(self, module: ModuleType) -> None:
        stand_in = self.stand_in = _StandIn(module)

        def import_(name: str, scope: Any = None, names: Any = None, fromlist: Any = (), level: int = 0) -> ModuleType:
            if name == _PACKAGE and not fromlist and stand_in.is_executing:
                return stand_in
            return builtins.__import__(name, scope, names, fromlist, level)

        # Only this module sees it, while other threads may import what they need.
        module.__dict__["__builtins__"] = {**vars(builtins), "__import__": import_}
        before = dict(vars(module))
        try:
            super().exec_module(module)
            is_enough = not any(isinstance(value, _Annotation) for value in vars(module).values())
        except Exception:
            is_enough = False
        stand_in.is_executing = False
        if not is_enough:
            self.stand_in = None
            vars(module).clear()
            vars(module).update(before)
            super().exec_module(module)


class _Annotation(type):
    """The class of the stand-in's classes, which can be named but neither called nor inherited from."""

    def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> _Annotation:
        if bases:
            raise TypeError(f"{name} needs {_PACKAGE}")
        return super().__new__(cls, name, bases, namespace)

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        raise TypeError(f"{cls.__name__} needs {_PACKAGE}")


class _StandIn(ModuleType):
    """Replaces itself by aiohttp when code of `user` needs it. Annotations, while `user` is executed, do not."""

    def __init__(self, user: ModuleType) -> None:
        super().__init__(_PACKAGE)
        self.is_executing = True
        self._user = user

    def replace(self) -> ModuleType:
        """Raises the errors of the import."""
        package = importlib.import_module(_PACKAGE)
        names = vars(self._user)
        if names.get(_PACKAGE) is self:
            names[_PACKAGE] = package
        return package

    def __getattr__(self, name: str) -> Any:
        if self.is_executing:
            return _Annotation(name, (), {})
        return getattr(self.replace(), name)

"""Loads functions with function.json files.

Source: docs/protocol/functions-host-app.md#function-folders
"""

from __future__ import annotations

import importlib
import os
import sys
import types
from typing import Any, cast

from . import failures, lenient_json
from .loaded import LoadedApp, LoadedFunction
from .signature import FunctionLoadError, inspect_function

PACKAGE = "__app__"
DEFAULT_ENTRY_POINT = "main"


class FunctionFileError(Exception):
    """A function.json is not valid; the text is that of Azure's host."""


def find_folders(root: str) -> list[str]:
    """The immediate subfolders of the app with a function.json; their names are the function names."""
    with os.scandir(root) as entries:
        folders = [entry.name for entry in entries if entry.is_dir()]
    return sorted(name for name in folders if os.path.isfile(os.path.join(root, name, "function.json")))


def load(app: LoadedApp, root: str, only: frozenset[str] | None = None) -> None:
    """Add the functions in `root` to `app`. One that does not load becomes an error, and the others still work.

    With `only` (names in lower case), the code of other functions is not imported.
    """
    found = find_folders(root)
    folders = [name for name in found if only is None or name.casefold() in only]
    app.excluded = [name for name in found if name not in folders]
    if found:
        app.model = "v1"
    if not folders:
        return
    package = types.ModuleType(PACKAGE)
    package.__path__ = [root]
    sys.modules[PACKAGE] = package
    for name in folders:
        bindings: list[dict[str, Any]] = []
        try:
            config = _read_config(os.path.join(root, name, "function.json"))
            entries: list[object] = config.get("bindings") or []
            if not entries:
                raise FunctionFileError("At least one binding must be declared.")
            bindings = [_binding(entry) for entry in entries]
            app.functions[name] = _load_function(app.sdk, root, name, config, bindings)
        except Exception as error:
            app.add_error(name, error, root, hint=_import_hint(error, root, name), bindings=bindings)


def _load_function(
    sdk: Any, root: str, name: str, config: dict[str, Any], bindings: list[dict[str, Any]]
) -> LoadedFunction:
    folder = os.path.join(root, name)
    script = _script_of(folder, config.get("scriptFile"))
    entry_point = config.get("entryPoint") or DEFAULT_ENTRY_POINT
    module = importlib.import_module(_module_name(root, name, script))
    function = getattr(module, entry_point, None)
    if not callable(function):
        raise RuntimeError(f"function {name}: {entry_point}() is not present in {script}")
    return LoadedFunction(
        name=name,
        function=function,
        signature=inspect_function(sdk, name, function, bindings, is_decorated=False),
        bindings=bindings,
        directory=folder,
        script_file=os.path.relpath(script, root),
        entry_point=entry_point,
        retry=_retry(config.get("retry")),
        disabled=config.get("disabled"),
    )


def _read_config(path: str) -> dict[str, Any]:
    with open(path, encoding="utf-8") as file:
        try:
            config = lenient_json.parse(file.read())
        except ValueError as error:
            raise ValueError(f"Unable to parse function.json: {error} ({path})") from None
    if not isinstance(config, dict):
        raise ValueError(f"function.json must contain a JSON object ({path})")
    return cast("dict[str, Any]", config)


def _binding(entry: object) -> dict[str, Any]:
    if not isinstance(entry, dict):
        raise ValueError("every entry of 'bindings' must be a JSON object")
    entry = cast("dict[str, Any]", entry)
    return {**entry, "name": entry.get("name") or "", "type": entry.get("type") or "", "direction": _direction(entry)}


def _direction(entry: dict[str, Any]) -> str:
    direction = str(entry.get("direction") or "in").lower()
    if direction not in ("in", "out", "inout"):
        raise FunctionFileError(f"'{entry['direction']}' is not a valid binding direction.")
    return direction


def _script_of(folder: str, configured: str | None) -> str:
    if configured:
        script = os.path.normpath(os.path.join(folder, configured))
        if not os.path.isfile(script):
            raise FunctionFileError(
                "Invalid script file name configuration. The 'scriptFile' property is set to a file that does not "
                "exist."
            )
        return script
    with os.scandir(folder) as entries:
        files = [entry.name for entry in entries if entry.is_file() and entry.name != "function.json"]
    candidates = files if len(files) == 1 else [name for name in ("run.py", "__init__.py") if name in files]
    if not candidates:
        raise FunctionFileError(
            "Unable to determine the primary function script. Make sure at least one script file is present. Try "
            "renaming your entry point script to 'run' or alternatively you can specify the name of the entry point "
            "script explicitly by adding a 'scriptFile' property to your function metadata."
        )
    return os.path.join(folder, candidates[0])


def _module_name(root: str, name: str, script: str) -> str:
    relative = os.path.relpath(script, root)
    if relative.startswith(os.pardir):
        raise FunctionLoadError(
            name, f"script path {script} is not relative to the specified function directory {os.path.join(root, name)}"
        )
    stem, extension = os.path.splitext(relative)
    if extension != ".py":
        raise FunctionLoadError(name, f"invalid Python filename {script}")
    parts = stem.split(os.sep)
    if parts[-1] == "__init__":
        parts.pop()
    return ".".join([PACKAGE, *parts])


def _retry(config: Any) -> dict[str, Any] | None:
    """The unchanged `retry` object; the host parses the intervals."""
    if not config:
        return None
    if not isinstance(config, dict):
        raise ValueError("'retry' must be a JSON object")
    return {"raw": config}


def _import_hint(error: BaseException, root: str, name: str) -> str:
    """The hint for a failed import: imports begin at the app's folder, not at the function's."""
    if isinstance(error, ModuleNotFoundError):
        return _missing_module_hint((error.name or "").partition(".")[0], root, name)
    if isinstance(error, ImportError) and "relative import" in str(error):
        return (
            "Relative imports end at the folder of the app: write `from . import module` for a file in the function's "
            "own folder, and `from ..folder import module` for one in a folder next to it"
        )
    return ""


def _missing_module_hint(module: str, root: str, name: str) -> str:
    beside = os.path.join(root, name, module)
    if module and (os.path.isfile(f"{beside}.py") or os.path.isdir(beside)):
        return (
            f"'{module}' is in the function's own folder, and imports begin at the folder of the app: write "
            f"`from . import {module}` (a relative import) or `from {PACKAGE}.{name} import {module}`"
        )
    return (
        f"{failures.MODULE_HINT} Imports begin at the folder of the app: a file in the function's own folder needs a "
        f"relative import, such as `from . import {module or 'module'}`. Current sys.path: {' '.join(sys.path)}"
    )

"""Loads the function app: from decorators, otherwise from function.json files.

Source: docs/protocol/functions-host-app.md#decorator-model, docs/protocol/functions-host-app.md#loading-errors
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import sys
from typing import Any

from . import failures, loading_v1, retry_policy, web_extension
from .loaded import LoadedApp, LoadedFunction, directory_of
from .sdk import Sdk, SdkNotInstalled
from .signature import inspect_function

SCRIPT_NAME = re.compile(r"^[a-zA-Z0-9_][a-zA-Z0-9_\-]*\.py$")


class InvalidFileNameError(Exception):
    """PYTHON_SCRIPT_FILE_NAME is not the file name of a Python module."""


def load_app(root: str, script_name: str, only: list[str] | None = None) -> LoadedApp:
    """Import and index the app in `root`, once per process: the SDK does not allow indexing an app object twice.

    `only` are the functions that the host serves (None: all). It decides which folders are imported; a script is always
    imported as a whole.
    """
    app = LoadedApp()
    try:
        if not SCRIPT_NAME.match(script_name):
            raise InvalidFileNameError(f"Invalid file name: {script_name}")
        has_script = os.path.isfile(os.path.join(root, script_name))
        if not has_script and not loading_v1.find_folders(root):
            return app
        app.sdk = Sdk()
        if has_script:
            _load_decorated(app, root, script_name)
        if not app.functions and not app.errors:
            loading_v1.load(app, root, None if only is None else frozenset(name.casefold() for name in only))
        elif left_out := loading_v1.find_folders(root):
            app.warnings.append(
                f"Detected mixed function app. Some functions may not be indexed - {', '.join(left_out)}: their "
                f"function.json is ignored because {script_name} defines functions"
            )
        app.warnings.extend(web_extension.warnings(_streams(app)))
    except SdkNotInstalled:
        app.failure = _sdk_missing()
    except BaseException as error:
        app.failure = _failure(error, root)
    return app


def _streams(app: LoadedApp) -> dict[str, bool]:
    """The HTTP functions, and whether each takes the request of a web extension."""
    return {
        name: function.signature.request is not None
        for name, function in app.functions.items()
        if any(binding["type"] == "httpTrigger" for binding in function.bindings)
    }


def _load_decorated(app: LoadedApp, root: str, script_name: str) -> None:
    app.model = "v2"
    register = _find_app_object(app.sdk, _import_script(root, script_name), script_name)
    is_asgi = isinstance(register, getattr(app.sdk.functions, "AsgiFunctionApp", ()))
    for function in register.get_functions():
        name: str = function.get_function_name()
        try:
            app.functions[name] = _loaded(app.sdk, function, name, root, register if is_asgi else None)
        except Exception as error:
            app.add_error(name, error, root, bindings=_known_bindings(function), code=function.get_user_function())


def _import_script(root: str, script_name: str) -> Any:
    """Import the script as a module named after its stem, from the app's root even if another module has that name."""
    name = script_name[: -len(".py")]
    spec = importlib.util.spec_from_file_location(name, os.path.join(root, script_name))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return sys.modules[name]


def _find_app_object(sdk: Sdk, module: Any, script_name: str) -> Any:
    """The single top-level FunctionApp. A second name for the same object counts as a second app, as in Azure."""
    members: dict[str, Any] = module.__dict__
    found: list[Any] = [value for value in members.values() if isinstance(value, sdk.functions.FunctionRegister)]
    if not found:
        raise ValueError(f"Could not find top level function app instances in {script_name}.")
    if len(found) > 1:
        raise ValueError("More than one FunctionApp or other top level function app instances are defined.")
    return found[0]


def _loaded(sdk: Sdk, function: Any, name: str, root: str, asgi_app: Any) -> LoadedFunction:
    bindings = _bindings(function)
    user_function = function.get_user_function()
    http_type: str = getattr(function, "http_type", "function")
    return LoadedFunction(
        name=name,
        function=user_function,
        signature=inspect_function(sdk, name, user_function, bindings, can_stream=True),
        bindings=bindings,
        directory=directory_of(user_function, root),
        script_file=getattr(function, "function_script_file", "function_app.py"),
        entry_point=getattr(user_function, "__name__", name),
        retry=retry_policy.read(_retry_settings(function)),
        http_type=http_type,
        asgi_app=asgi_app if http_type == "asgi" else None,
    )


def _bindings(function: Any) -> list[dict[str, Any]]:
    return [_normalised(json.loads(text)) for text in function.get_raw_bindings()]


def _known_bindings(function: Any) -> list[dict[str, Any]]:
    """The bindings; None if they cannot be converted to JSON."""
    try:
        return _bindings(function)
    except Exception:
        return []


def _normalised(binding: dict[str, Any]) -> dict[str, Any]:
    """The binding with its direction in lower case: decorators use upper case, function.json lower case."""
    return {**binding, "direction": str(binding.get("direction", "in")).lower()}


def _retry_settings(function: Any) -> dict[str, Any] | None:
    """The arguments of `@app.retry`; None for a function without it, and for an SDK that does not have it."""
    read = getattr(function, "get_settings_dict", None)
    return None if read is None else read("retry_policy")


def _failure(error: BaseException, root: str) -> dict[str, Any]:
    if isinstance(error, ModuleNotFoundError):
        if error.name == "azure" or (error.name or "").startswith("azure.functions"):
            return {**failures.describe(error, root), **_sdk_missing()}
        failure = failures.describe(error, root)
        failure["message"] += f". {failures.MODULE_HINT} Current sys.path: {' '.join(sys.path)}"
        return {"kind": "import", "module": error.name, **failure}
    kind = "import" if isinstance(error, (ImportError, SyntaxError)) else "load"
    failure = failures.describe(error, root)
    if isinstance(error, ImportError) and "no known parent package" in failure["message"]:
        failure["message"] += ". Files next to function_app.py are imported by their names: leave out the dot"
    return {"kind": kind, **failure}


def _sdk_missing() -> dict[str, Any]:
    return {
        "kind": "sdk_missing",
        "type": "ModuleNotFoundError",
        "message": "No module named 'azure.functions'",
        "stack": "",
    }

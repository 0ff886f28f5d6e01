"""The description of a function in the admin routes.

Source: docs/protocol/functions-host-admin.md#function-objects
"""

from pathlib import Path
from typing import Any

import msgspec

from durable_host.invocation.metadata import FunctionMetadata
from durable_host.redaction import redacted_json
from durable_host.worker import lenient_json


class DescribedFunction(msgspec.Struct, frozen=True, kw_only=True):
    """A function to describe. `metadata` is None if it could not be loaded."""

    name: str
    metadata: FunctionMetadata | None
    root: Path
    language: str = "python"
    url: str | None = None
    is_disabled: bool = False
    errors: tuple[str, ...] = ()


def function_json(function: DescribedFunction, base_url: str) -> dict[str, Any]:
    """The JSON object of `/admin/functions`."""
    metadata = function.metadata
    is_v1 = _function_file(function).is_file()
    unknown_script = f"{function.name}/__init__.py" if is_v1 else "function_app.py"
    script = metadata.script_file if metadata else unknown_script
    vfs = f"{base_url}/admin/vfs"
    return {
        "name": function.name,
        "script_root_path_href": f"{vfs}/{function.name}/" if is_v1 else None,
        "script_href": f"{vfs}/{Path(script).as_posix()}",
        "config_href": f"{vfs}/{function.name}/function.json" if is_v1 else None,
        "test_data_href": f"{vfs}/data/Functions/sampledata/{function.name}.dat",
        "href": f"{base_url}/admin/functions/{function.name}",
        "invoke_url_template": function.url.lower() if function.url else None,
        "language": function.language,
        "config": redacted_json(_written_config(function) if is_v1 else _config(function, script)),
        "files": None,
        "test_data": "",
        "isDisabled": function.is_disabled,
        "isDirect": False,
        "isProxy": False,
    }


def _function_file(function: DescribedFunction) -> Path:
    return function.root / function.name / "function.json"


def _written_config(function: DescribedFunction) -> Any:
    """The content of function.json; empty if it cannot be read."""
    try:
        return lenient_json.parse(_function_file(function).read_text("utf-8-sig"))
    except (OSError, ValueError):
        return {}


def _config(function: DescribedFunction, script: str) -> dict[str, Any]:
    """The function.json that a decorated function would have."""
    metadata = function.metadata
    return {
        "name": function.name,
        "entryPoint": metadata.entry_point if metadata else "",
        "scriptFile": script,
        "language": function.language,
        "functionDirectory": metadata.directory if metadata else str(function.root),
        "bindings": [_raw(binding) for binding in metadata.bindings] if metadata else [],
    }


def _raw(binding: Any) -> dict[str, Any]:
    return {"direction": binding.direction.upper(), "type": binding.type, "name": binding.name, **binding.properties}

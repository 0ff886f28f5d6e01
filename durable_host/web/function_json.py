"""A function as the admin routes describe it.

Source: docs/protocol/functions-host-admin.md#function-objects
"""

from pathlib import Path
from typing import Any

import msgspec

from durable_host.invocation.metadata import FunctionMetadata
from durable_host.redaction import redacted_json


class DescribedFunction(msgspec.Struct, frozen=True, kw_only=True):
    """A function and what became of it. `metadata` is None for one that could not be loaded."""

    name: str
    metadata: FunctionMetadata | None
    root: Path
    url: str | None = None
    is_disabled: bool = False
    errors: tuple[str, ...] = ()


def describe(function: DescribedFunction, base_url: str) -> dict[str, Any]:
    """The JSON object of `/admin/functions`."""
    metadata = function.metadata
    script = metadata.script_file if metadata else "function_app.py"
    folder = function.root / function.name
    is_v1 = (folder / "function.json").is_file()
    script_path = f"{function.name}/{script}" if is_v1 else script
    bindings = [redacted_json(_raw(binding)) for binding in metadata.bindings] if metadata else []
    vfs = f"{base_url}/admin/vfs"
    return {
        "name": function.name,
        "script_root_path_href": f"{vfs}/{function.name}/" if is_v1 else None,
        "script_href": f"{vfs}/{script_path}",
        "config_href": f"{vfs}/{function.name}/function.json" if is_v1 else None,
        "test_data_href": f"{vfs}/data/Functions/sampledata/{function.name}.dat",
        "href": f"{base_url}/admin/functions/{function.name}",
        "invoke_url_template": function.url.lower() if function.url else None,
        "language": "python",
        "config": {
            "name": function.name,
            "entryPoint": metadata.entry_point if metadata else "",
            "scriptFile": script,
            "language": "python",
            "functionDirectory": metadata.directory if metadata else str(function.root),
            "bindings": bindings,
        },
        "files": None,
        "test_data": None,
        "isDisabled": function.is_disabled,
        "isDirect": function.url is not None or (metadata is not None and _has_trigger(metadata, "manualtrigger")),
        "isProxy": False,
    }


def _has_trigger(metadata: FunctionMetadata, kind: str) -> bool:
    return any(binding.type.lower() == kind for binding in metadata.bindings)


def _raw(binding: Any) -> dict[str, Any]:
    return {"direction": binding.direction.upper(), "type": binding.type, "name": binding.name, **binding.properties}

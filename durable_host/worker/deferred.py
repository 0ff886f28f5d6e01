"""Clients of the storage SDK as parameters, for apps with azurefunctions-extensions-bindings-blob.

The host sends the location of the blob instead of its content, and the extension creates the client.
Source: docs/protocol/functions-host-worker.md#clients-as-parameters
"""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

SERVED = frozenset({"blob", "blobTrigger"})


class DeferredBinding:
    """A converter with the interface of the SDK's. `datum` is the extension's `Datum` class."""

    def __init__(self, datum: Any, converter: Any, python_type: Any) -> None:
        self._datum = datum
        self._converter = converter
        self._python_type = python_type

    def check_input_type_annotation(self, pytype: Any) -> bool:
        return bool(self._converter.check_input_type_annotation(pytype))

    def check_output_type_annotation(self, pytype: Any) -> bool:
        return False

    def decode(self, data: Any, *, trigger_metadata: Any) -> Any:
        """Create the client. `data` is JSON with `Connection`, `ContainerName` and `BlobName`."""
        if data is None or data.type is None:
            return None
        place = SimpleNamespace(
            version="1.0", source="AzureStorageBlobs", content_type="application/json", content=data.value
        )
        return self._converter.decode(
            self._datum(place, "model_binding_data"), trigger_metadata=trigger_metadata, pytype=self._python_type
        )


def deferred_converter(binding_type: str, python_type: Any) -> DeferredBinding | None:
    """The converter for a parameter whose annotation is a type of the extension; None for other parameters."""
    base = sys.modules.get("azurefunctions.extensions.base")
    if base is None or binding_type not in SERVED or not isinstance(python_type, type):
        return None
    registry = base.get_binding_registry()
    converter = registry.get(binding_type)
    if converter is None or not registry.check_supported_type(python_type):
        return None
    return DeferredBinding(base.Datum, converter, python_type)


def marked(binding: dict[str, Any], is_deferred: bool) -> dict[str, Any]:
    """The binding for the report to the host."""
    if not is_deferred:
        return binding
    return {**binding, "properties": {**(binding.get("properties") or {}), "SupportsDeferredBinding": True}}

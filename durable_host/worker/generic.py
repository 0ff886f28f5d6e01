"""The converter for bindings without a converter in the SDK, and for parameters annotated `str` or `bytes`.

Source: docs/protocol/functions-host-values.md#inputs, docs/protocol/functions-host-values.md#outputs
"""

from __future__ import annotations

from typing import Any


class GenericBinding:
    """A converter with the interface of the SDK's. `sdk_datum` is the SDK's `Datum` class."""

    def __init__(self, sdk_datum: Any) -> None:
        self._datum = sdk_datum

    def check_input_type_annotation(self, pytype: Any) -> bool:
        return isinstance(pytype, type) and issubclass(pytype, (str, bytes))

    def check_output_type_annotation(self, pytype: Any) -> bool:
        return isinstance(pytype, type) and issubclass(pytype, (str, bytes, bytearray))

    def decode(self, data: Any, *, trigger_metadata: Any) -> Any:
        if data is None or data.type is None:
            return None
        if data.type in ("string", "bytes", "json"):
            return data.value
        raise ValueError(f'unexpected type of data received for the "generic" binding: {data.type!r}')

    def encode(self, obj: Any, *, expected_type: Any) -> Any:
        kinds: tuple[tuple[Any, str], ...] = (
            (str, "string"),
            ((bytes, bytearray), "bytes"),
            (dict, "dict"),
            (list, "list"),
            (bool, "bool"),
            (int, "int"),
            (float, "double"),
        )
        if obj is None:
            return self._datum(type=None, value=None)
        for python_type, kind in kinds:
            if isinstance(obj, python_type):
                return self._datum(type=kind, value=bytes(obj) if kind == "bytes" else obj)
        raise NotImplementedError

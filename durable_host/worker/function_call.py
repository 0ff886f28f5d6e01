"""A call of a user function: decodes the arguments and encodes the answer.

Source: docs/protocol/functions-host-worker.md#running-functions,
    docs/protocol/functions-host-values.md#inputs,
    docs/protocol/functions-host-values.md#outputs
"""

from __future__ import annotations

import inspect
from typing import Any

from . import failures, scope, wire
from .entity_functions import FailedOperations, entity_code_of
from .frames import FrameBody
from .likely_causes import likely_cause
from .loaded import LoadedFunction, user_code
from .sdk import Sdk
from .signature import FunctionParameter

# An answer: the header and the blob of its frame.
Answer = tuple[dict[str, Any], "FrameBody | None"]


class FunctionCall:
    """A requested invocation: prepares the arguments and encodes the results."""

    __slots__ = ("_blob", "_failed", "_header", "_outs", "function", "scope", "sdk")

    def __init__(self, sdk: Sdk, function: LoadedFunction, header: dict[str, Any], blob: bytes) -> None:
        self.sdk = sdk
        self.function = function
        self.scope: scope.Scope = (header["i"], function.name)
        self._header = header
        self._blob = blob
        self._outs: dict[str, Any] = {}
        self._failed: FailedOperations | None = None

    @property
    def trace_parent(self) -> str | None:
        return self._header.get("tp")

    @property
    def trace_state(self) -> str | None:
        return self._header.get("ts")

    @property
    def target(self) -> Any:
        """The callable for the arguments."""
        function = self.function.function
        if entity_code_of(function) is None:
            return function
        self._failed = FailedOperations()
        return self._failed.watching(function)

    def arguments(self) -> dict[str, Any]:
        header, signature, datum, http = self._header, self.function.signature, self.sdk.datum, self.sdk.http
        values: dict[str, Any] = header["in"]
        metadata: dict[str, Any] | None = None
        arguments: dict[str, Any] = {}
        for name, parameter in signature.inputs.items():
            value: list[Any] = values.get(name) or wire.EMPTY
            if parameter.converter is http.request_converter and value[0] == "http":
                arguments[name] = http.read(value[1], self._blob)
                continue
            if parameter.wants_metadata and metadata is None:
                metadata = wire.read_metadata(datum, header.get("m") or {})
            decoded = wire.read(datum, value, self._blob)
            try:
                arguments[name] = parameter.converter.decode(decoded, trigger_metadata=metadata or {})
            except NotImplementedError:
                raise TypeError(
                    "unable to decode incoming TypedData: unsupported combination of TypedData field "
                    f"{decoded.type!r} and expected binding type {parameter.converter}"
                ) from None
        if signature.wants_context:
            arguments["context"] = self.sdk.context(header, self.function.directory)
        for name in signature.outputs:
            arguments[name] = self._outs[name] = self.sdk.out()
        return arguments

    def answer(self, result: Any) -> Answer:
        signature = self.function.signature
        if signature.returns is None and result is not None:
            if inspect.iscoroutine(result):
                result.close()
            raise RuntimeError(f"function '{self.function.name}' without a $return binding returned a non-None value")
        answer, blob = self.answer_without_result()
        if signature.returns is not None:
            answer["r"] = self._encode(signature.returns, result, blob)
        return answer, blob

    def answer_without_result(self) -> tuple[dict[str, Any], FrameBody]:
        """The answer with the values of the output parameters only."""
        signature, blob = self.function.signature, FrameBody()
        answer: dict[str, Any] = {"k": "result", "i": self._header["i"]}
        outputs: dict[str, Any] = {}
        for name, out in self._outs.items():
            if (value := out.get()) is not None:
                outputs[name] = self._encode(signature.outputs[name], value, blob)
        if outputs:
            answer["o"] = outputs
        if self._failed is not None and self._failed.count:
            answer["fo"], answer["fc"] = self._failed.reported, self._failed.count
        return answer, blob

    def failure(self, error: BaseException) -> Answer:
        kind = "function" if self._failed is None else "entity"
        hint = likely_cause(error, user_code(self.function.function), kind=kind)
        return {"k": "failed", "i": self._header["i"], **failures.describe(error), "hint": hint}, None

    def _encode(self, parameter: FunctionParameter, value: Any, blob: FrameBody) -> list[Any]:
        http = self.sdk.http
        if parameter.converter is http.response_converter and type(value) is http.response_type:
            written = http.write(value, blob)
            if written is not None:
                return written
        raw_cookies = _raw_cookies(value) if parameter.binding_type == "http" else []
        try:
            datum = parameter.converter.encode(value, expected_type=parameter.python_type)
        except NotImplementedError:
            hint = " (the function returned None)" if value is None else ""
            raise TypeError(
                f'unable to encode outgoing TypedData: unsupported type "{parameter.binding_type}" for Python type '
                f'"{type(value).__name__}"{hint}'
            ) from None
        return wire.write(datum, blob, raw_cookies)


def _raw_cookies(response: Any) -> list[str]:
    """The Set-Cookie headers, before the converter parses and drops them."""
    get_all = getattr(getattr(response, "headers", None), "getlist", None)
    return [str(cookie) for cookie in get_all("Set-Cookie")] if get_all is not None else []

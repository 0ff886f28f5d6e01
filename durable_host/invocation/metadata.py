"""The metadata of functions.

Source: docs/protocol/functions-host-app.md#bindings-from-decorators,
    docs/protocol/functions-host-app.md#function-folders
"""

import uuid
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal, cast

import msgspec

from durable_host.config.retry import RetryOptions

# Types whose value is part of the outcome: the caller of the trigger uses it.
RESPONSE_TYPES = frozenset({"http"})

Direction = Literal["in", "out", "inout"]


class Binding(msgspec.Struct, frozen=True):
    """A binding. `properties` has everything except name, type and direction, with the names of function.json."""

    name: str
    type: str
    direction: Direction
    properties: dict[str, Any] = {}

    @property
    def is_trigger(self) -> bool:
        return self.type.lower().endswith("trigger")

    @property
    def is_return(self) -> bool:
        return self.name == "$return"

    @property
    def data_type(self) -> str | None:
        """`string`, `binary`, `stream` or None."""
        value = self.properties.get("dataType")
        return str(value).lower() if value is not None else None

    @property
    def is_deferred(self) -> bool:
        """Whether the worker needs the location of the value instead of the value, to create an SDK client."""
        extra: object = self.properties.get("properties")
        return isinstance(extra, dict) and any(
            name.lower() == "supportsdeferredbinding" and str(value).lower() == "true"
            for name, value in cast("dict[str, Any]", extra).items()
        )

    @property
    def requires_grpc(self) -> bool:
        """A binding of the 2.x durable SDK (docs/protocol/durable-bindings.md#apps-that-need-grpc)."""
        return self.properties.get("durableRequiresGrpc") is True

    def text(self, property_name: str) -> str | None:
        """A property as text; None if it is missing or null."""
        value = self.properties.get(property_name)
        return None if value is None else str(value)


class FunctionMetadata(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A function that the worker has loaded. `disabled` is the value in function.json, which has no effect.

    `directory`, `script_file` and `entry_point` are those in function.json; `source_file` and `source_line` are the
    start of the user's code. With `streams_http` the trigger's request and the response are streamed.
    With `ends_with_client`, a client that disconnects cancels the function. `refused_annotations` are parameters, or
    `return`, with annotations that Azure's worker refuses.
    """

    name: str
    bindings: tuple[Binding, ...]
    directory: str = ""
    script_file: str = "function_app.py"
    entry_point: str = ""
    retry: RetryOptions | None = None
    is_async: bool = False
    http_type: str = "function"
    streams_http: bool = False
    disabled: bool | str | None = None
    source_file: str | None = None
    source_line: int | None = None
    refused_annotations: Mapping[str, str] = {}
    ends_with_client: bool = False

    @property
    def function_id(self) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_OID, self.name))

    @cached_property
    def trigger(self) -> Binding:
        """The trigger. Raises ValueError if there is none, which checks prevent."""
        for binding in self.bindings:
            if binding.is_trigger:
                return binding
        raise ValueError(f"function {self.name} has no trigger")

    @cached_property
    def inputs(self) -> tuple[Binding, ...]:
        """Input bindings except the trigger."""
        return tuple(binding for binding in self.bindings if binding.direction == "in" and not binding.is_trigger)

    @cached_property
    def outputs(self) -> tuple[Binding, ...]:
        """Output bindings, `$return` among them."""
        return tuple(binding for binding in self.bindings if binding.direction == "out")

    @cached_property
    def http_output(self) -> Binding | None:
        """The first output that is the response to an HTTP request."""
        return next((binding for binding in self.outputs if binding.type.lower() in RESPONSE_TYPES), None)

    @cached_property
    def written_outputs(self) -> tuple[Binding, ...]:
        """Outputs that the host writes: all that are not the response to an HTTP request."""
        return tuple(binding for binding in self.outputs if binding.type.lower() not in RESPONSE_TYPES)

    @property
    def return_binding(self) -> Binding | None:
        return next((binding for binding in self.outputs if binding.is_return), None)

    @property
    def requires_grpc(self) -> bool:
        return any(binding.requires_grpc for binding in self.bindings)


class FunctionProblem(msgspec.Struct, frozen=True, kw_only=True):
    """Why a function, or the whole app (`function` None), does not run.

    `file` and `line` are in the app; with them `stack` has the user's frames. `bindings` are those of the function, as
    far as known.
    """

    function: str | None
    message: str
    stack: str = ""
    file: str | None = None
    line: int | None = None
    bindings: tuple[Binding, ...] = ()

    @property
    def trigger(self) -> Binding | None:
        return next((binding for binding in self.bindings if binding.is_trigger), None)

    @property
    def traceback(self) -> str:
        """The user's frames; empty if the user's code was not involved."""
        return self.stack.rstrip() if self.file is not None else ""


class IndexResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of indexing the app. `failure` is set if the app as a whole did not load; then it has no functions.

    `model` is v1, v2 (Python), v4 (Node.js), isolated (.NET) or none (the folder holds no functions); of the versions,
    that of the app's language is set. `sdk_versions` has the packages that the app has imported; `excluded` names
    functions that were not loaded because others only are served.
    """

    functions: tuple[FunctionMetadata, ...] = ()
    errors: tuple[FunctionProblem, ...] = ()
    failure: Exception | None = None
    warnings: tuple[str, ...] = ()
    model: str = "none"
    python_version: str = ""
    node_version: str = ""
    dotnet_version: str = ""
    executable: str = ""
    sdk_versions: dict[str, str] = {}
    excluded: tuple[str, ...] = ()
    hint: str | None = None
    """The reason why there are no functions."""

    @property
    def requires_grpc(self) -> bool:
        """Whether the app uses the protocol of the 2.x durable SDK: one such function is enough."""
        return any(function.requires_grpc for function in self.functions)

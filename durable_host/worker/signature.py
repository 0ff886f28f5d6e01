"""Checks a user function against its bindings and finds the converter of every parameter.

Source: docs/protocol/functions-host-app.md#parameters-and-annotations
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from . import annotations, web_extension
from .deferred import DeferredBinding, deferred_converter
from .generic import GenericBinding
from .sdk import Sdk

DURABLE_TRIGGERS = frozenset({"activityTrigger", "orchestrationTrigger", "entityTrigger"})
CONTEXT_DECORATORS = {"orchestrationTrigger": "orchestration_trigger", "entityTrigger": "entity_trigger"}
"""Triggers whose functions the durable SDK wraps in a callable with one parameter, `context`."""


class FunctionLoadError(Exception):
    """The function does not match its bindings."""

    def __init__(self, function: str, detail: str) -> None:
        super().__init__(f"cannot load the {function} function: {detail}")


@dataclass(frozen=True)
class FunctionParameter:
    """How a binding is converted. `wants_metadata` is false for converters that do not use metadata."""

    binding_type: str
    converter: Any
    python_type: Any
    wants_metadata: bool

    @property
    def is_deferred(self) -> bool:
        """True if the host sends the location of the value instead of the value."""
        return isinstance(self.converter, DeferredBinding)


@dataclass(frozen=True)
class Signature:
    """The checked signature. `request` is the parameter for the request of a web extension, not in `inputs`."""

    inputs: dict[str, FunctionParameter]
    outputs: dict[str, FunctionParameter]
    returns: FunctionParameter | None
    wants_context: bool
    is_async: bool = False
    request: str | None = None
    refused_annotations: dict[str, str] = field(default_factory=dict[str, str])
    """Parameters, or `return`, with annotations that Azure's worker refuses, as written."""
    hints: dict[str, Any] = field(default_factory=dict[str, Any])


def inspect_function(
    sdk: Sdk,
    name: str,
    function: Callable[..., Any],
    bindings: list[dict[str, Any]],
    *,
    can_stream: bool = False,
    is_decorated: bool = True,
) -> Signature:
    """Check a function. Raises FunctionLoadError with the texts of Azure's worker, except misleading ones.

    `can_stream`: an HTTP trigger may receive the request of a web extension. `is_decorated`: the bindings come from
    decorators, otherwise from a function.json.
    """
    return _Inspection(sdk, name, function, bindings, can_stream, is_decorated).run()


class _Inspection:
    def __init__(
        self,
        sdk: Sdk,
        name: str,
        function: Callable[..., Any],
        bindings: list[dict[str, Any]],
        can_stream: bool,
        is_decorated: bool,
    ) -> None:
        self.is_decorated = is_decorated
        self.written: dict[str, Any] = {}
        """The annotations as the user wrote them."""
        self.sdk = sdk
        self.can_stream = can_stream
        self.name = name
        self.function = function
        self.generic = GenericBinding(sdk.datum)
        self.bindings = bindings

    def error(self, detail: str) -> FunctionLoadError:
        return FunctionLoadError(self.name, detail)

    def run(self) -> Signature:
        bound, returns = self._sort_bindings()
        hints = self._hints()
        parameters = list(inspect.signature(self.function).parameters)
        self._check_context_name(parameters)
        wants_context = "context" in parameters and "context" not in bound
        if wants_context:
            parameters.remove("context")
            self._check_context(hints)
        if extra := set(parameters) - set(bound):
            raise self.error(
                "the following parameters are declared in Python but not in the function definition "
                f"(function.json or function decorators): {_names(extra)}"
            )
        if missing := set(bound) - set(parameters):
            raise self.error(
                "Extra parameters in binding definition — the following parameters are declared as bindings but are "
                f"not present in Python: {_names(missing)}"
            )
        inputs: dict[str, FunctionParameter] = {}
        outputs: dict[str, FunctionParameter] = {}
        request = self._streamed_request(bound, hints)
        if request is not None:
            del bound[request]
        for name, binding in bound.items():
            is_out = binding["direction"] == "out"
            (outputs if is_out else inputs)[name] = self._parameter(
                name, binding, is_out, name in hints, hints.get(name)
            )
        is_return_bound = request is None and returns is not None and returns[1]
        return Signature(
            refused_annotations=self._refused_annotations(bound, is_return_bound),
            inputs=inputs,
            outputs=outputs,
            returns=None if request is not None else self._returns(returns, hints),
            wants_context=wants_context,
            is_async=inspect.iscoroutinefunction(self.function),
            request=request,
        )

    def _sort_bindings(self) -> tuple[dict[str, dict[str, Any]], tuple[str, bool] | None]:
        """The bindings by parameter name, and the (type, explicit) of the return value."""
        bound: dict[str, dict[str, Any]] = {}
        returns: tuple[str, bool] | None = None
        for binding in self.bindings:
            name, kind, direction = binding["name"], binding["type"], binding["direction"]
            if direction == "inout":
                raise self.error('"inout" bindings are not supported')
            if name == "$return":
                if direction != "out":
                    raise self.error('"$return" binding must have direction set to "out"')
                returns = (kind, True)
                continue
            bound[name] = binding
            if self._has_implicit_return(kind) and (returns is None or not returns[1]):
                returns = (kind, False)
        return bound, returns

    def _streamed_request(self, bound: dict[str, dict[str, Any]], hints: dict[str, Any]) -> str | None:
        """The parameter of a function whose HTTP request and response a web extension handles."""
        for name, binding in bound.items():
            if binding["type"] == "httpTrigger" and self.can_stream:
                if not web_extension.takes_stream(hints, name, self.sdk.functions.HttpResponse):
                    return None
                self._check_response(hints)
                return name
        return None

    def _check_response(self, hints: dict[str, Any]) -> None:
        if "return" not in hints:
            return
        hint = hints["return"]
        if not isinstance(hint, type):
            raise self.error(f"has invalid non-type return annotation {hint!r}")
        if not web_extension.accepts_response(hint):
            raise self.error(
                f'Python return annotation "{hint.__name__}" does not match binding type "http" (a function that takes '
                f"the Request of {web_extension.PACKAGE} returns one of its responses, or str, dict, list, int, "
                "float, bool or a Pydantic model)"
            )

    def _has_implicit_return(self, kind: str) -> bool:
        converter = self.sdk.converter(kind)
        if converter is None:
            return True
        return bool(getattr(converter, "has_implicit_output", lambda: False)())

    def _hints(self) -> dict[str, Any]:
        try:
            self.written = typing.get_type_hints(self.function)
            return {name: _without_none(hint) for name, hint in self.written.items()}
        except Exception as error:
            raise self.error(
                f"its annotations cannot be resolved: {type(error).__name__}: {error}. Names that are imported only "
                "under TYPE_CHECKING do not exist when the function is loaded"
            ) from error

    def _check_context_name(self, parameters: list[str]) -> None:
        """Check that a binding is called `context`: the durable SDK's wrapper takes its argument under that name."""
        if parameters != ["context"]:
            return
        for binding in self.bindings:
            kind, name = binding["type"], binding["name"]
            if kind not in CONTEXT_DECORATORS or name in ("context", "$return"):
                continue
            if self.is_decorated:
                wrong, right = f'context_name="{name}" of @{CONTEXT_DECORATORS[kind]}', 'context_name="context"'
            else:
                wrong, right = f'"name": "{name}" of the {kind} binding in function.json', '"name": "context"'
            raise self.error(
                f"{wrong} is not possible: write {right}. The parameter of your function may still be called '{name}'. "
                'Azure reports this mistake as: the "context" parameter is expected to be of type '
                "azure.functions.Context"
            )

    def _refused_annotations(self, bound: dict[str, dict[str, Any]], is_return_bound: bool) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, hint in self.written.items():
            is_return = name == "return"
            if name not in bound and not (is_return and is_return_bound):
                continue
            inner = typing.get_args(hint)[0] if _is_out(hint, self.sdk.functions.Out) else hint
            if annotations.is_refused(inner, is_return=is_return):
                found[name] = repr(hint)
        return found

    def _check_context(self, hints: dict[str, Any]) -> None:
        hint = hints.get("context")
        if hint is None or (isinstance(hint, type) and issubclass(hint, self.sdk.functions.Context)):
            return
        raise self.error(f'the "context" parameter is expected to be of type azure.functions.Context, got {hint!r}')

    def _parameter(
        self, name: str, binding: dict[str, Any], is_out: bool, has_hint: bool, hint: Any
    ) -> FunctionParameter:
        kind: str = binding["type"]
        python_type = hint
        if has_hint:
            annotated_out = _is_out(hint, self.sdk.functions.Out)
            if annotated_out:
                arguments = typing.get_args(hint)
                if len(arguments) != 1:
                    raise self.error(f"binding {name} has invalid Out annotation {hint!r}")
                python_type = _without_none(arguments[0])
            if not isinstance(python_type, type) and typing.get_origin(python_type) is None:
                raise self.error(f"binding {name} has invalid non-type annotation {hint!r}")
            if typing.get_origin(python_type) in (typing.Union, types.UnionType):
                raise self.error(f"binding {name} has invalid non-type annotation {hint!r}")
            if is_out and not annotated_out:
                raise self.error(
                    f'binding {name} is declared to have the "out" direction, but its annotation in Python is not a '
                    "subclass of azure.functions.Out"
                )
            if not is_out and annotated_out:
                raise self.error(
                    f'binding {name} is declared to have the "in" direction in the binding definition, but its '
                    "annotation in Python is azure.functions.Out"
                )
        converter = self.sdk.converter(kind)
        if converter is None or (python_type in (str, bytes) and kind not in DURABLE_TRIGGERS):
            converter = self.generic
        if not is_out and (deferred := deferred_converter(kind, python_type)) is not None:
            converter = deferred
        if has_hint and not _accepts(converter, python_type, is_out):
            raise self.error(
                f"binding type \"{kind}\" of '{name}' in the binding decorator does not match the corresponding "
                f"function parameter's Python type annotation {_type_name(python_type)}{_extension_hint(python_type)}"
            )
        wants_metadata = converter is not self.generic and kind not in DURABLE_TRIGGERS and kind != "httpTrigger"
        return FunctionParameter(kind, converter, python_type, wants_metadata)

    def _returns(self, binding: tuple[str, bool] | None, hints: dict[str, Any]) -> FunctionParameter | None:
        if binding is None:
            return None
        kind, is_explicit = binding
        converter = self.sdk.converter(kind) or self.generic
        hint = hints.get("return")
        if is_explicit and "return" in hints:
            if _is_out(hint, self.sdk.functions.Out):
                raise self.error("return annotation should not be azure.functions.Out")
            if not isinstance(hint, type):
                raise self.error(f"has invalid non-type return annotation {hint!r}")
            if not _accepts(converter, hint, True):
                raise self.error(f'Python return annotation "{hint.__name__}" does not match binding type "{kind}"')
        return FunctionParameter(kind, converter, hint, False)


def _without_none(hint: Any) -> Any:
    """`Optional[X]` and `X | None` count as `X`; Azure's worker refuses them."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        arguments = [argument for argument in typing.get_args(hint) if argument is not type(None)]
        if len(arguments) == 1:
            return arguments[0]
    return hint


def _is_out(hint: Any, out: Any) -> bool:
    origin = typing.get_origin(hint) or hint
    return isinstance(origin, type) and issubclass(origin, out)


def _accepts(converter: Any, python_type: Any, is_out: bool) -> bool:
    check = getattr(converter, "check_output_type_annotation" if is_out else "check_input_type_annotation", None)
    if check is None:
        return False
    try:
        return bool(check(python_type))
    except TypeError:
        return False


def _type_name(python_type: Any) -> str:
    return python_type.__name__ if isinstance(python_type, type) else repr(python_type)


def _extension_hint(python_type: Any) -> str:
    module = getattr(python_type, "__module__", "") or ""
    if module.startswith(("fastapi", "starlette")):
        return f" (in functions of the V2 programming model it can be the Request of {web_extension.PACKAGE})"
    if module.startswith(("azurefunctions.extensions", "azure.storage")):
        return f" (parameters of {module.split('.')[0]} types need a binding extension that this host does not serve)"
    return ""


def _names(names: set[str]) -> str:
    return "{" + ", ".join(repr(name) for name in sorted(names)) + "}"

"""The ports of input and output bindings, and the registry of their implementations.

The implementations are in `durable_host.bindings`.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from durable_host.invocation.datum import Datum
from durable_host.invocation.metadata import RESPONSE_TYPES, Binding, FunctionMetadata


class BindingContext(msgspec.Struct, frozen=True):
    """The invocation for which a binding is read or written."""

    function: FunctionMetadata
    invocation_id: str
    trigger_metadata: Mapping[str, Any] = {}


class InputBinding(Protocol):
    """Reads the value for a parameter."""

    async def read(self, binding: Binding, binding_data: Mapping[str, Any], context: BindingContext) -> Datum:
        """The value, or `Datum("none")`. `binding_data` has the values for `{expressions}`.

        Errors fail the invocation.
        """
        ...


class OutputBinding(Protocol):
    """Writes the value that user code has set or returned."""

    async def write(
        self, binding: Binding, datum: Datum, binding_data: Mapping[str, Any], context: BindingContext
    ) -> None:
        """Write the value. Errors fail the invocation, although the user's code has succeeded."""
        ...


class BindingRegistry:
    """Binding types (ignoring case) and their implementations. The composition root fills it.

    `unserved_output` receives the values of all other output types, so that a function runs although its output is not
    served.
    """

    def __init__(
        self,
        *,
        triggers: frozenset[str] | set[str] = frozenset(),
        inputs: Mapping[str, InputBinding] | None = None,
        outputs: Mapping[str, OutputBinding] | None = None,
        unserved_output: OutputBinding | None = None,
    ) -> None:
        self._unserved_output = unserved_output
        self._triggers = {name.lower() for name in triggers}
        self._inputs = {name.lower(): binding for name, binding in (inputs or {}).items()}
        self._outputs = {name.lower(): binding for name, binding in (outputs or {}).items()}

    def input(self, type: str) -> InputBinding | None:
        return self._inputs.get(type.lower())

    def output(self, type: str) -> OutputBinding | None:
        return self._outputs.get(type.lower(), self._unserved_output)

    def has_output(self, type: str) -> bool:
        """Whether an output binding of this type is served."""
        return type.lower() in self._outputs or type.lower() in RESPONSE_TYPES

    def serves(self, binding: Binding) -> bool:
        """Whether a function with this binding can run."""
        kind = binding.type.lower()
        if binding.is_trigger:
            return kind in self._triggers
        if binding.direction == "out":
            return self.has_output(kind) or self._unserved_output is not None
        return kind in self._inputs

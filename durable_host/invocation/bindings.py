"""Ports of input and output bindings, and which implementation serves which binding type.

The implementations are in `durable_host.bindings`.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from durable_host.invocation.datum import Datum
from durable_host.invocation.metadata import Binding, FunctionMetadata

# Types whose value is the invocation's own: the trigger's caller makes use of it.
RESPONSE_TYPES = frozenset({"http"})


class BindingContext(msgspec.Struct, frozen=True):
    """The invocation that a binding is read or written for."""

    function: FunctionMetadata
    invocation_id: str
    trigger_metadata: Mapping[str, Any] = {}


class InputBinding(Protocol):
    """Reads what a parameter receives."""

    async def read(self, binding: Binding, binding_data: Mapping[str, Any], context: BindingContext) -> Datum:
        """The value; `Datum("none")` when there is none. `binding_data` is what `{expressions}` refer to.

        Errors fail the invocation.
        """
        ...


class OutputBinding(Protocol):
    """Writes what user code put into a parameter or returned."""

    async def write(
        self, binding: Binding, datum: Datum, binding_data: Mapping[str, Any], context: BindingContext
    ) -> None:
        """Errors fail the invocation, although the user's code has succeeded."""
        ...


class BindingRegistry:
    """Binding types (without regard to case) and what serves them. Filled by the composition root.

    `unserved_output` takes what is written to output bindings of all other types: with it a function runs although
    nothing serves its output.
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
        """Whether values of an output binding arrive where they should."""
        return type.lower() in self._outputs or type.lower() in RESPONSE_TYPES

    def serves(self, binding: Binding) -> bool:
        """Whether a function with this binding can run."""
        kind = binding.type.lower()
        if binding.is_trigger:
            return kind in self._triggers
        if binding.direction == "out":
            return self.has_output(kind) or self._unserved_output is not None
        return kind in self._inputs

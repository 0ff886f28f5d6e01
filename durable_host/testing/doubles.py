"""The doubles of one test: those of activities and of output bindings, and what they have recorded."""

import difflib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from durable_host.host.durable_calls import durable_names
from durable_host.host.functions import AppFunctions
from durable_host.invocation.metadata import FunctionMetadata
from durable_host.testing.activity_double import ActivityCall, ActivityDouble
from durable_host.testing.behaviours import CodeLanguage
from durable_host.testing.http_doubles import CALL_HTTP, as_response, http_activity
from durable_host.testing.json_values import value_of
from durable_host.testing.output_recorder import OutputRecorder, values_of
from durable_host.testing.sdk_json import plain_json, strict_json, typed_json
from durable_host.testing.stand_ins import ACTIVITY_TRIGGER, ActivityRun, OutputWrite, Replacement

__tracebackhide__ = True

_GENERAL_ERRORS = {"python": "Exception", "node": "Error", "dotnet-isolated": "System.Exception"}


class DoubleNames(msgspec.Struct, frozen=True):
    """What an app has: activities (durable name → function), and outputs (function → binding → type)."""

    activities: Mapping[str, str]
    outputs: Mapping[str, Mapping[str, str]]


def double_names(functions: Iterable[FunctionMetadata]) -> DoubleNames:
    functions = tuple(functions)
    outputs = {function.name: {one.name: one.type for one in function.written_outputs} for function in functions}
    return DoubleNames(durable_names(functions).activities, {name: found for name, found in outputs.items() if found})


def functions_with_doubles(functions: AppFunctions) -> tuple[FunctionMetadata, ...]:
    """The functions that run, and activities that run only if a double replaces them: the host has no such binding."""
    only_doubled = (one for one in functions.all if one.name in functions.not_served and _is_activity(one))
    return (*functions.served, *only_doubled)


def _is_activity(function: FunctionMetadata) -> bool:
    return function.trigger.type.lower() == ACTIVITY_TRIGGER


def language_of(runtime: str, sdk_versions: Mapping[str, str]) -> CodeLanguage:
    """How the code of an app of this worker runtime differs from that of others."""
    is_v1 = runtime == "python" and sdk_versions.get("azure-functions-durable", "").startswith(("0.", "1."))
    error_type = _GENERAL_ERRORS.get(runtime, "Exception")
    return CodeLanguage(typed_json, error_type, strict_json) if is_v1 else CodeLanguage(plain_json, error_type)


class Doubles:
    """Implements `StandIns` with the doubles that a test asks for. All calls and values are recorded from the start."""

    def __init__(self, names: DoubleNames, language: CodeLanguage) -> None:
        self._names = names
        self._language = language
        self._activities: dict[str, ActivityDouble] = {}
        self._outputs: dict[tuple[str, str], OutputRecorder] = {}
        self._calls: defaultdict[str, list[ActivityCall]] = defaultdict(list)
        self._values: defaultdict[tuple[str, str], list[Any]] = defaultdict(list)
        self._running: dict[str, tuple[str, int]] = {}
        self._latest: dict[tuple[str, str, str], int] = {}

    def as_input(self, value: Any) -> Any:
        """The value as JSON has it when a client of the app's SDK starts an orchestration with it. Raises TypeError."""
        return json.loads(self._language.encode(value))

    def as_event(self, value: Any) -> Any:
        """The same for the data of an event, and the input of a signal."""
        return json.loads(self._language.encode_event(value))

    def activity(self, name: str) -> ActivityDouble:
        """The double of an activity, by durable name or function name; "call_http" is that of all HTTP requests.

        Raises LookupError if the app has no such activity.
        """
        known = {CALL_HTTP: http_activity(self._names.activities)}
        known |= {function.casefold(): function for function in self._names.activities.values()}
        known |= {durable.casefold(): function for durable, function in self._names.activities.items()}
        function = known.get(name.casefold())
        if function is None:
            raise LookupError(_unknown("The app has no activity", name, self._names.activities))
        if function not in self._activities:
            calls = self._calls[function]
            self._activities[function] = ActivityDouble(name, self._language, lambda: calls)
        return self._activities[function]

    def output(self, function: str, binding: str | None = None) -> OutputRecorder:
        """The recorder of an output binding: its parameter's name or `$return`. None: the only one of the function.

        Raises LookupError if the app has no such output.
        """
        key = self._output_key(function, binding)
        if key not in self._outputs:
            values = self._values[key]
            self._outputs[key] = OutputRecorder(*key, lambda: values)
        return self._outputs[key]

    async def activity_begins(self, run: ActivityRun) -> Replacement | None:
        calls = self._calls[run.function]
        value: Any = value_of(run.input)
        call = ActivityCall(
            input=value,
            instance_id=run.instance_id,
            attempt=self._attempt(run, calls),
            has_ended=False,
        )
        self._running[run.run_id] = (run.function, len(calls))
        calls.append(call)
        double = self._activities.get(run.function)
        # The function of a test may change what it gets, but not what is recorded.
        replacement = None if double is None else await double.replacement_of(value_of(run.input))
        return None if replacement is None else as_response(replacement, run.function)

    async def activity_ended(self, run_id: str, output: str | None, error: str | None) -> None:
        if run_id not in self._running:  # It began before the test.
            return
        function, index = self._running.pop(run_id)
        calls = self._calls[function]
        value = None if output is None else value_of(output)
        calls[index] = msgspec.structs.replace(calls[index], output=value, error=error, has_ended=True)

    async def output_written(self, write: OutputWrite) -> Replacement | None:
        key = (write.function, write.binding)
        values = values_of(write.type, write.value)
        self._values[key].extend(values)
        recorder = self._outputs.get(key)
        return None if recorder is None else await recorder.replacement_of(values_of(write.type, write.value))

    def _attempt(self, run: ActivityRun, calls: list[ActivityCall]) -> int:
        """The number of the attempt: one more than that of the last call of the same kind if it has failed."""
        if run.instance_id is None:
            return 1
        kind = (run.function, run.instance_id, run.input)
        latest = self._latest.get(kind)
        self._latest[kind] = len(calls)
        return 1 if latest is None or calls[latest].error is None else calls[latest].attempt + 1

    def _output_key(self, function: str, binding: str | None) -> tuple[str, str]:
        outputs = self._names.outputs
        name = next((one for one in outputs if one.casefold() == function.casefold()), None)
        if name is None:
            raise LookupError(_unknown("The app has no function with outputs", function, outputs))
        if binding is None:
            if len(outputs[name]) > 1:
                raise LookupError(f"The function '{name}' has several outputs: {', '.join(outputs[name])}. Name one.")
            return name, next(iter(outputs[name]))
        found = next((one for one in outputs[name] if one.casefold() == binding.casefold()), None)
        if found is None:
            raise LookupError(_unknown(f"The function '{name}' has no output", binding, outputs[name]))
        return name, found


def _unknown(what: str, name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    near = difflib.get_close_matches(name, names, 1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    return f"{what} '{name}'; it has {', '.join(names) or 'none'}.{hint}"

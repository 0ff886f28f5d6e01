"""Why an orchestration failed: type, message, and the frames of its traceback, with the error that caused it."""

import re
from collections.abc import Callable, Sequence

import msgspec

from durable_host.dashboard.failure_summary import UNKNOWN_TYPE, failure_of
from durable_host.dashboard.views.history_step import ExecutionSteps
from durable_host.durable.model.events import ExecutionCompleted, FailureDetails, HistoryEvent
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.invocation.code_failure import CodeFailure

_PYTHON_FRAME = re.compile(r'^\s*File "(?P<file>[^"\n]+)", line (?P<line>\d+), in (?P<function>.+)$')
_NODE_FRAME = re.compile(r"^\s*at (?:(?P<function>.+?) \()?(?:file://)?(?P<file>[^()\n]+?):(?P<line>\d+):\d+\)?$")
_NET_FRAME = re.compile(r"^\s*at (?P<function>.+\)) in (?P<file>.+):line (?P<line>\d+)$")
_CALL_FAILED = re.compile(r"^(?:(?:Activity|Orchestrator|Entity) function '[^']*' failed: )+")
_TYPED = re.compile(
    r"^(?P<type>[A-Za-z_][\w.]*(?:Error|Exception|Exit|Interrupt|Warning|Failure)): (?P<message>.*)$", re.DOTALL
)
_DETAILS = " \n "
_MOST_FRAMES = 50

ReadLine = Callable[[str, int], str | None]
"""Returns the source line `line` of `file`, or None if it must not or cannot be read."""


class StackFrame(msgspec.Struct, frozen=True):
    """One frame of a traceback, outermost first. `text` is the source line, if known."""

    file: str
    line: int
    function: str
    text: str | None = None


class ShownFailure(msgspec.Struct, frozen=True, kw_only=True):
    """An error with its frames. `hint` is a likely cause. `inner` is the error that caused it."""

    type: str
    message: str
    frames: Sequence[StackFrame] = ()
    hint: str | None = None
    inner: "ShownFailure | None" = None


def with_source(failure: ShownFailure, read_line: ReadLine) -> ShownFailure:
    """Return the failure with the source lines that its frames do not have."""
    return msgspec.structs.replace(
        failure,
        frames=[
            msgspec.structs.replace(frame, text=frame.text or read_line(frame.file, frame.line))
            for frame in failure.frames
        ],
        inner=None if failure.inner is None else with_source(failure.inner, read_line),
    )


def shown_failure(
    events: Sequence[HistoryEvent], execution: ExecutionSteps, raised: CodeFailure | None = None
) -> ShownFailure | None:
    """Return the failure of an orchestration that failed, or None. `raised` is its exception in a replay of the code.

    The history of a 1.x orchestration has no traceback of it, only those of its activities.
    """
    end = next((event for event in reversed(events) if isinstance(event, ExecutionCompleted)), None)
    if end is None or end.orchestration_status is not OrchestrationStatus.Failed:
        return None
    cause = _cause(end, execution)
    if end.failure_details is not None:
        shown = of_details(end.failure_details)
        if shown.inner is None:
            shown = msgspec.structs.replace(shown, inner=cause)
    else:
        type_name, message = _typed(end.result or "")
        shown = ShownFailure(type=type_name or failure_of(end.result).type, message=message, inner=cause)
    if raised is None:
        return shown
    return msgspec.structs.replace(
        shown,
        type=raised.type if shown.type in ("", UNKNOWN_TYPE) else shown.type,
        frames=frames_of(raised.frames) or shown.frames or _place(raised),
        hint=raised.hint,
    )


def of_details(details: FailureDetails) -> ShownFailure:
    """Return a structured error and its inner errors."""
    return ShownFailure(
        type=details.error_type or "",
        message=details.error_message or "",
        frames=frames_of(details.stack_trace),
        inner=None if details.inner_failure is None else of_details(details.inner_failure),
    )


def frames_of(stack: str | None) -> tuple[StackFrame, ...]:
    """Return the frames in a traceback of Python, Node.js or .NET, outermost first."""
    lines = (stack or "").splitlines()
    frames: list[StackFrame] = []
    is_innermost_first = False
    for index, line in enumerate(lines):
        if (found := _PYTHON_FRAME.match(line)) is not None:
            following = lines[index + 1] if index + 1 < len(lines) else ""
            is_source = following.startswith("    ") and _PYTHON_FRAME.match(following) is None
            text = following.strip() if is_source else None
            frames.append(StackFrame(found["file"], int(found["line"]), found["function"], text))
        elif (found := _NET_FRAME.match(line) or _NODE_FRAME.match(line)) is not None:
            is_innermost_first = True
            frames.append(StackFrame(found["file"], int(found["line"]), found["function"] or "<anonymous>"))
    return tuple(frames[::-1][-_MOST_FRAMES:] if is_innermost_first else frames[-_MOST_FRAMES:])


def _cause(end: ExecutionCompleted, execution: ExecutionSteps) -> ShownFailure | None:
    """Return the error of the failed call that the message of the orchestration repeats, or of the last one."""
    failed = [step for step in execution.steps if step.outcome == "Failed" and step.error]
    text = end.result or ("" if end.failure_details is None else end.failure_details.error_message or "")
    step = next((one for one in reversed(failed) if one.error and one.error in text), None)
    if step is None:
        return None
    type_name, message = _typed(step.error or "")
    return ShownFailure(type=type_name, message=message, frames=frames_of(step.details))


def _typed(text: str) -> tuple[str, str]:
    """Return the type, if there is one, and the message of an error, without the names of the failed functions."""
    text = _CALL_FAILED.sub("", text.partition(_DETAILS)[0]).rstrip()
    found = _TYPED.match(text)
    return ("", text) if found is None else (found["type"], found["message"])


def _place(raised: CodeFailure) -> tuple[StackFrame, ...]:
    if raised.file is None or raised.line is None:
        return ()
    return (StackFrame(raised.file, raised.line, ""),)

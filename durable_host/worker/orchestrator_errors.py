"""Describes an orchestrator's error: type, text, traceback, place and likely cause (`likely_causes`).

Some of this is only in the SDK's frames of the traceback: what the code returned, and the position of its generator.
"""

from __future__ import annotations

import json
from types import FrameType
from typing import Any

from . import failures
from .likely_causes import likely_cause
from .loaded import user_code
from .places import position_of

_EVENT_RAISED = 15


def describe(error: BaseException, function: Any) -> dict[str, Any]:
    """The fields of a failed answer; `function` is the SDK's wrapper of the user's function."""
    frames = _frames(error)
    output = None
    if "get_orchestrator_state_str" in frames and "to_json_string" not in frames and "dumps" in frames:
        output = frames["dumps"].f_locals.get("obj")
    position = None
    if (resuming := frames.get("resume_user_code")) is not None:
        position = position_of(getattr(resuming.f_locals.get("self"), "generator", None))
    hint = likely_cause(
        error, user_code(function), position=position, output=output, event=_event_read(frames), kind="orchestrator"
    )
    failure = {**failures.describe(error), "hint": hint}
    if position is not None and "file" not in failure:
        failure["file"], _, line = position.partition(" in ")[0].rpartition(":")
        failure["line"] = int(line)
    return failure


def _event_read(frames: dict[str, FrameType]) -> str | None:
    """The name of the external event whose data the 1.x SDK was reading, if they are not JSON.

    The SDK also makes custom objects of JSON there, with code of the app, which has errors of its own.
    """
    reading = frames.get("parse_history_event")
    event = None if reading is None else reading.f_locals.get("directive_result")
    if getattr(event, "event_type", None) != _EVENT_RAISED:
        return None
    try:
        json.loads(getattr(event, "Input", None) or "")
    except json.JSONDecodeError:
        return str(getattr(event, "Name", ""))
    except (TypeError, RecursionError):
        pass
    return None


def _frames(error: BaseException) -> dict[str, FrameType]:
    """The innermost frame of each function in the traceback, by function name."""
    frames: dict[str, FrameType] = {}
    traceback = error.__traceback__
    while traceback is not None:
        frames[traceback.tb_frame.f_code.co_name] = traceback.tb_frame
        traceback = traceback.tb_next
    return frames

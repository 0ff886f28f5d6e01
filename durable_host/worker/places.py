"""Positions in user code: `file:line in function`."""

from __future__ import annotations

import inspect
import os
import sys
from types import FrameType
from typing import Any

_WORKER_FOLDER = os.path.dirname(os.path.abspath(__file__)) + os.sep


def code_place(frame: FrameType) -> str:
    return f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}"


def calling_frame() -> FrameType | None:
    """The innermost running frame that is neither the worker's nor the SDK's."""
    sdk: Any = sys.modules.get("azure.durable_functions")
    inside = (_WORKER_FOLDER, *(folder + os.sep for folder in getattr(sdk, "__path__", ())))
    frame: FrameType | None = inspect.currentframe()
    while frame is not None and frame.f_code.co_filename.startswith(inside):
        frame = frame.f_back
    return frame


def position_of(generator: Any) -> str | None:
    """The position of a suspended generator: that of the innermost generator that it delegates to."""
    place: str | None = None
    while generator is not None:
        frame = getattr(generator, "gi_frame", None)
        if frame is not None:
            place = code_place(frame)
        generator = getattr(generator, "gi_yieldfrom", None)
    return place

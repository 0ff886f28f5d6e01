"""Records where code begins waits for external events, and when 2.x code gives them up."""

from __future__ import annotations

from typing import Any

from .places import calling_frame, code_place


class EventWaits:
    """The waits of one replay. `index` is the position of the event that is being processed; the caller sets it."""

    def __init__(self, context: Any) -> None:
        self.index = 0
        self._notes: list[dict[str, Any]] = []
        self._open: list[tuple[Any, dict[str, Any]]] = []
        original = context.wait_for_external_event

        def wait_for_external_event(name: str, *parameters: Any, **options: Any) -> Any:
            task = original(name, *parameters, **options)
            frame = calling_frame()
            note = {"name": name, "since": self.index, "place": None if frame is None else code_place(frame)}
            self._notes.append(note)
            self._open.append((task, note))
            return task

        context.wait_for_external_event = wait_for_external_event

    def processed(self) -> None:
        """Note which waits the code gave up during the event."""
        for task, note in self._open:
            if getattr(task, "is_cancelled", False):
                note["canceled"] = self.index
        self._open = [(task, note) for task, note in self._open if not task.is_complete]

    def notes(self) -> list[dict[str, Any]]:
        """The waits in order, as `{name, since, place, canceled}`."""
        return self._notes

"""The type and the message of a failure, from the output of a failed instance."""

import re

import msgspec

from durable_host.dashboard.payloads import IN_LIST

_CALL = re.compile(r"\s*(?:Orchestrator|Activity|Entity) function '[^']*' failed:\s*")
_TYPED = re.compile(r"([A-Za-z_][\w.]*): ?(.*)", re.DOTALL)
_TYPE_ALONE = re.compile(r"[A-Za-z_][\w.]*(?:Error|Exception)")
_LIKE_A_TYPE = re.compile(r".*(?:Error|Exception|Exit|Interrupt|Warning|Failure|Failed|Timeout|Iteration)")
_VARIABLE = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F-]{27,}|\b0x[0-9a-fA-F]+\b|\b[0-9a-fA-F]{16,}\b|\d+")
_DETAILS = " \n "
UNKNOWN_TYPE = "Exception"


class FailureSummary(msgspec.Struct, frozen=True):
    """The exception that made an instance fail: its type, and the first line of its message."""

    type: str
    message: str

    @property
    def group(self) -> tuple[str, str]:
        """Equal for failures that differ only in numbers and identifiers."""
        return self.type, _VARIABLE.sub("#", self.message)


def failure_of(output: str | None) -> FailureSummary:
    """The failure in an output, which is text, or the beginning of it. A failed call is followed to its callee."""
    text = _plain(output or "")
    is_of_call = False
    at = 0
    while (call := _CALL.match(text, at)) is not None:
        is_of_call = is_of_call or text.lstrip().startswith("Activity", at)
        at = call.end()
    text = text[at:].split(_DETAILS, 1)[0].strip()
    typed = _TYPED.match(text)
    if typed is not None and (is_of_call or _LIKE_A_TYPE.fullmatch(typed[1])):
        return FailureSummary(typed[1], _line(typed[2]))
    if _TYPE_ALONE.fullmatch(text):
        return FailureSummary(text, "")
    return FailureSummary(UNKNOWN_TYPE, _line(text))


def _line(text: str) -> str:
    return text.strip().split("\n", 1)[0].strip()[:IN_LIST]


def _plain(text: str) -> str:
    """The text in a JSON string; any other text as it is."""
    if text.startswith('"'):
        try:
            return msgspec.json.decode(text, type=str)
        except msgspec.DecodeError:
            return text
    return text

"""Decides which versions of an orchestration this host runs. Source: docs/protocol/durable-host-json.md#versions"""

from durable_host.durable.engine.faults import OrchestrationFault
from durable_host.durable.engine.options import EngineOptions
from durable_host.durable.model.events import FailureDetails

MISMATCH = FailureDetails(
    error_type="VersionMismatch",
    error_message="Orchestration version did not comply with Worker Versioning",
    is_non_retriable=True,
)


def version_matches(version: str | None, options: EngineOptions) -> bool:
    """True when an instance of `version` may run here."""
    own, theirs = options.default_version or "", version or ""
    match options.version_match:
        case "None":
            return True
        case "Strict":
            return own == theirs
        case "CurrentOrOlder":
            return compare_versions(theirs, own) <= 0


def compare_versions(left: str, right: str) -> int:
    """Return -1, 0 or 1. An empty version is the lowest; 2 to 4 dotted numbers compare as numbers, anything else as
    text.
    """
    if not left or not right:
        return (left > right) - (left < right)
    left_parts, right_parts = _numbers(left), _numbers(right)
    if left_parts is not None and right_parts is not None:
        return (left_parts > right_parts) - (left_parts < right_parts)
    left, right = left.casefold(), right.casefold()
    return (left > right) - (left < right)


def rejection_text(name: str, version: str | None, options: EngineOptions) -> str:
    """Return the log text with both versions and the rule."""
    return (
        f"The orchestration '{name}' has version '{version or ''}', this host's defaultVersion is "
        f"'{options.default_version or ''}' and versionMatchStrategy is {options.version_match}: it does not run here."
    )


def mismatch_fault() -> OrchestrationFault:
    """Return the fault that fails an instance under versionFailureStrategy `Fail`."""
    return OrchestrationFault(None, failure_details=MISMATCH)


def _numbers(version: str) -> tuple[int, ...] | None:
    """Return the parts as numbers, with -1 for missing ones as in .NET's Version, or None if they are not numbers."""
    parts = version.split(".")
    if not 2 <= len(parts) <= 4 or not all(part.strip().isascii() and part.strip().isdigit() for part in parts):
        return None
    return (*(int(part) for part in parts), *([-1] * (4 - len(parts))))

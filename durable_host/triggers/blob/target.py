"""A blob-triggered function and its path pattern."""

import re

import msgspec

from durable_host.bindings.accounts import blob_account_key
from durable_host.config.expressions import TemplateInvalid
from durable_host.config.path_pattern import PathPattern, parse_path
from durable_host.invocation.metadata import Binding, FunctionMetadata
from durable_host.storage.account import StorageAccount

LOGS_AND_SCAN = "LogsAndContainerScan"
EVENT_GRID = "EventGrid"
_CONTAINER = re.compile(r"\$root|(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*")


class BlobTarget(msgspec.Struct, frozen=True):
    """A blob-triggered function. `account` contains the blobs; `source` is EVENT_GRID or LOGS_AND_SCAN."""

    function: FunctionMetadata
    account: StorageAccount
    pattern: PathPattern
    source: str

    @property
    def id(self) -> str:
        """The function's ID in storage."""
        return function_id(self.function.name)

    @property
    def endpoint(self) -> str:
        """The blob endpoint of the account, which identifies it."""
        return blob_account_key(self.account)

    @property
    def container(self) -> str:
        return self.pattern.container.lower()


def function_id(name: str) -> str:
    return f"Host.Functions.{name}"


def blob_pattern(trigger: Binding) -> PathPattern:
    """The pattern of a blob trigger. Raises TemplateInvalid, also for an invalid container name."""
    path = trigger.text("path") or ""
    pattern = parse_path(path)
    if not _CONTAINER.fullmatch(pattern.container.lower()):
        raise TemplateInvalid(
            f"Invalid blob trigger path '{path}'. '{pattern.container}' is not a valid container name.",
            remedy="A container name has 3 to 63 letters, digits and single dashes, with a letter or digit at both "
            "ends.",
        )
    return pattern


def source_of(trigger: Binding) -> str:
    return EVENT_GRID if (trigger.text("source") or "").lower() == EVENT_GRID.lower() else LOGS_AND_SCAN

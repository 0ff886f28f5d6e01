"""The host's ID in storage, under which leases, timers and blob receipts are stored.

Source: docs/protocol/functions-host.md#host-id, docs/protocol/functions-host.md#instance-id
"""

import platform
import re
from collections.abc import Mapping
from pathlib import Path

from durable_host.errors import ConfigurationError

_SETTING = "AzureFunctionsWebHost__hostid"
_VALID = re.compile(r"(?=.{1,32}$)[a-z0-9]+(-[a-z0-9]+)*")


def stable_hash(text: str) -> int:
    """31-based hash over UTF-16 code units, unsigned 32 bits."""
    units = text.encode("utf-16-le")
    result = 23
    for index in range(0, len(units), 2):
        result = (result * 31 + units[index] + 256 * units[index + 1]) & 0xFFFFFFFF
    return result


def host_id(machine: str, path: str) -> str:
    """The machine name and a hash of the app's folder, at most 32 characters. It can be part of a queue name."""
    number = stable_hash(path)
    if number >= 0x80000000:
        number -= 1 << 32
    name = "".join(character for character in machine if character.isascii() and character.isalnum())
    return f"{name}-{abs(number)}"[:32].lower().strip("-")


def host_id_of(root: Path, settings: Mapping[str, str]) -> str:
    """The ID in the setting `AzureFunctionsWebHost__hostid`, otherwise that of this machine and folder.

    Raises ConfigurationError for an ID that cannot be part of a name in storage.
    """
    given = settings.get(_SETTING)
    if not given:
        return host_id(platform.node().split(".")[0], str(root))
    if not _VALID.fullmatch(given):
        raise ConfigurationError(
            f"The setting '{_SETTING}' is '{given}', which is not a valid host ID.",
            cause="It is part of the names of queues and blobs.",
            remedy="Use 1 to 32 lower-case letters, digits and single dashes, with a letter or digit at both ends.",
        )
    return given


def instance_id(machine: str) -> str:
    """The ID of this host in the log: 32 characters."""
    return f"{stable_hash(machine):08X}".rjust(32, "0")

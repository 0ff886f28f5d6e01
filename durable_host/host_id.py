"""The host's identity in storage: leases, timers and blob receipts are kept under it.

Source: spec/functions-host.md, section 9.
"""

import platform
from collections.abc import Mapping
from pathlib import Path


def stable_hash(text: str) -> int:
    """31-based hash over UTF-16 code units, unsigned 32 bits."""
    units = text.encode("utf-16-le")
    result = 23
    for index in range(0, len(units), 2):
        result = (result * 31 + units[index] + 256 * units[index + 1]) & 0xFFFFFFFF
    return result


def host_id(machine: str, path: str) -> str:
    """At most 32 characters of machine name and hash of the app's folder."""
    number = stable_hash(path)
    if number >= 0x80000000:
        number -= 1 << 32
    name = "".join(character for character in machine if character.isalnum())
    return f"{name}-{abs(number)}"[:32].lower().rstrip("-")


def host_id_of(root: Path, settings: Mapping[str, str]) -> str:
    """The one that `AzureFunctionsWebHost__hostid` sets, else that of this machine and folder."""
    return settings.get("AzureFunctionsWebHost__hostid") or host_id(platform.node().split(".")[0], str(root))


def instance_id(machine: str) -> str:
    """Id of this host as it appears in the log: 32 characters."""
    return f"{stable_hash(machine):08X}".rjust(32, "0")

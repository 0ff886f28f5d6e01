"""Keys as records, and as JSON documents in the format of Azure's host.

Source: docs/protocol/functions-host.md#key-documents
"""

import base64
import secrets
from collections.abc import Mapping
from typing import Any, cast

import msgspec

MASTER = "_master"
DEFAULT = "default"
_SIGNATURE = "AzFu"
_RANDOM_BYTES = 33
_CHECK_BYTES = 4


class InvalidKeys(ValueError):
    """The document contains no keys, or encrypted keys that only another host can read."""


class HostKeys(msgspec.Struct, frozen=True):
    """The keys of the host; those that there can be several of, by name."""

    master: str
    function_keys: dict[str, str]
    system_keys: dict[str, str]


def new_key() -> str:
    """A random key: 56 URL-safe characters with the signature of Azure Functions in them."""
    signature = base64.b64decode(_SIGNATURE)
    content = secrets.token_bytes(_RANDOM_BYTES) + signature + secrets.token_bytes(_CHECK_BYTES)
    return base64.urlsafe_b64encode(content).decode()


def new_host_keys() -> HostKeys:
    return HostKeys(new_key(), {DEFAULT: new_key()}, {})


def host_document(keys: HostKeys, instance_id: str) -> dict[str, Any]:
    return {
        "masterKey": _entry("master", keys.master),
        "functionKeys": [_entry(name, value) for name, value in keys.function_keys.items()],
        "systemKeys": [_entry(name, value) for name, value in keys.system_keys.items()],
        **_origin(instance_id),
    }


def function_document(keys: Mapping[str, str], instance_id: str) -> dict[str, Any]:
    return {"keys": [_entry(name, value) for name, value in keys.items()], **_origin(instance_id)}


def read_host(document: Mapping[str, Any]) -> HostKeys:
    """Raises InvalidKeys."""
    master = _value(document.get("masterKey"))
    return HostKeys(master, _list(document.get("functionKeys")), _list(document.get("systemKeys")))


def read_function(document: Mapping[str, Any]) -> dict[str, str]:
    """Raises InvalidKeys."""
    return _list(document.get("keys"))


def _entry(name: str, value: str) -> dict[str, Any]:
    return {"name": name, "value": value, "encrypted": False}


def _origin(instance_id: str) -> dict[str, str]:
    return {"hostName": "localhost", "instanceId": instance_id, "source": "runtime", "decryptionKeyId": ""}


def _list(entries: Any) -> dict[str, str]:
    if not isinstance(entries, list):
        raise InvalidKeys("a list of keys is missing")
    return {str(entry["name"]): _value(entry) for entry in cast("list[Any]", entries) if _is_named(entry)}


def _is_named(entry: Any) -> bool:
    return isinstance(entry, dict) and "name" in entry


def _value(entry: Any) -> str:
    if not isinstance(entry, dict):
        raise InvalidKeys("a key is missing")
    members = cast("dict[str, Any]", entry)
    value = members.get("value")
    if members.get("encrypted") or not isinstance(value, str) or not value:
        raise InvalidKeys("a key is encrypted or has no value")
    return value

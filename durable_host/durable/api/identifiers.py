"""Rules for instance IDs and entity keys given by clients, and for function names.

Source: docs/protocol/task-hub-storage.md#instance-id-limits,
    docs/protocol/durable-http-api.md#instance-ids,
    docs/protocol/durable-entities.md#entity-ids
"""

import re
from collections.abc import Sequence

from durable_host.durable.api.errors import InvalidArgument, InvalidInstanceId, UnknownFunction

MAX_INSTANCE_ID_LENGTH = 256
_MAX_KEY_BYTES = 1024
_FORBIDDEN = re.compile(r"[/\\#?\x00-\x1f\x7f-\x9f]")


def check_instance_id(instance_id: str) -> None:
    """Check an instance ID. Raises `InvalidArgument` with the reference's text."""
    if instance_id.startswith("@"):
        raise InvalidInstanceId("Orchestration instance ids must not start with @.")
    if _FORBIDDEN.search(instance_id):
        raise InvalidInstanceId("Orchestration instance ids must not contain /, \\, #, ?, or control characters.")
    if len(instance_id.encode("utf-16-le", "surrogatepass")) // 2 > MAX_INSTANCE_ID_LENGTH:
        raise InvalidArgument(f"Instance ID lengths must not exceed {MAX_INSTANCE_ID_LENGTH} characters.")


def can_exist(instance_id: str) -> bool:
    """False for an ID that does not fit into a table key (1 KiB of UTF-16), so that storage need not be queried."""
    return 0 < len(instance_id.encode("utf-16-le", "surrogatepass")) <= _MAX_KEY_BYTES


def entity_instance_id(name: str, key: str) -> str:
    """Return `@name@key`. Raises `InvalidArgument` for an invalid name or key."""
    if not name or "@" in name or _FORBIDDEN.search(name):
        raise InvalidArgument("Entity names must not be empty or contain @, /, \\, #, ?, or control characters.")
    if _FORBIDDEN.search(key):
        raise InvalidArgument(
            "entityKey (Parameter 'Entity keys must not contain /, \\, #, ?, or control characters.')"
        )
    return f"@{name.lower()}@{key}"


def unknown_function(name: str, kind: str, known: Sequence[str]) -> UnknownFunction:
    """Return the error for a function that the app does not have. `kind` is orchestrator, activity or entity."""
    article = "a" if kind[0] not in "aeiou" else "an"
    if known:
        names = ", ".join(f"'{one}'" for one in sorted(known, key=str.lower))
        info = f"The following are the known {kind} functions: {names}."
    else:
        info = f"No {kind} functions are currently registered!"
    return UnknownFunction(
        f"The function '{name}' doesn't exist, is disabled, or is not {article} {kind} function. "
        f"Additional info: {info}"
    )

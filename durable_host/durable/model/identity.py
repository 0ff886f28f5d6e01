"""Identities of messages: the same when a message is sent or delivered again, different for any other message.

The identity of a message from an orchestration or entity is derived from what decided it, so that a message sent again
after a crash keeps its identity. Each call of a client gets a new one. Azure Storage transports the identity as the
`ActivityId` of the envelope, so it is a GUID.

Source: docs/protocol/task-hub-storage-additions.md#message-identities
"""

import hashlib
import uuid
from collections.abc import Iterable
from functools import lru_cache

from durable_host.durable.model.events import OrchestrationInstance

_NAMESPACE = uuid.UUID("5f3f5d60-6f3c-4c3b-9d0e-0c5a4c1f7b52")
_PREFIX = _NAMESPACE.bytes
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
_HALF = 18
"""The number of characters of the first eight bytes in a GUID's text."""


def new() -> str:
    """Return the identity of a client's call."""
    return str(uuid.uuid4())


def of_start(instance: OrchestrationInstance) -> str:
    """Return the identity of the start message of an instance created by a client. Each execution starts once."""
    return _named("start", instance.instance_id, instance.execution_id)


def decided(
    sender: OrchestrationInstance,
    episode: int | None,
    kind: str,
    number: int,
    content: Iterable[str | None] = (),
    *,
    unstored: str | None = None,
) -> str:
    """Return the identity of decision `number` of an episode. `kind` is the type of its history event.

    `content` is what a repeated episode might decide differently under the same number: name, input, target. `unstored`
    is content that the history does not store: identities that differ only in it name the same decision (see
    `is_same_decision`).
    """
    parts = ("decided", sender.instance_id, sender.execution_id, episode, kind, number, *content)
    return _named(*parts) if unstored is None else _joined(_named(*parts), _named(*parts, "unstored", unstored))


@lru_cache(maxsize=1024)
def answer_to(request: str | None) -> str | None:
    """Return the identity of the result of the activity request with this identity, or None if that is not known.

    Answers to requests that differ only in unstored content name the same decision. An answer to a request from another
    implementation is not derived.
    """
    if request is None:
        return None
    if not is_derived(request):
        return str(uuid.uuid3(_NAMESPACE, request.encode("utf-8", "surrogatepass").hex()))
    return _joined(_named("answer", request[:_HALF]), _named("answer", request))


def execution_of(start: str, *, is_of_v2: bool = False) -> str:
    """Return the execution ID (32 hex digits) of the child that is started by the message with this identity."""
    execution = uuid.UUID(_named("execution", start))
    return (_of_version_8(execution) if is_of_v2 else execution).hex


def new_execution(*, is_of_v2: bool) -> str:
    """Return the execution ID of a start by a client."""
    execution = uuid.uuid4()
    return str(_of_version_8(execution) if is_of_v2 else execution)


def is_started_by_v2(execution_id: str | None) -> bool:
    """True if 2.x code, or a client of 2.x code, started this execution here: its input is encoded once."""
    return (execution_id or "").replace("-", "")[12:13] == "8"


def _of_version_8(id: uuid.UUID) -> uuid.UUID:
    return uuid.UUID(int=id.int & ~(0xF << 76) | 8 << 76)


def is_derived(id: str) -> bool:
    """True when this host derived the identity from a decision. Identities of clients and other backends are
    random.
    """
    return id[14:15] == "5"


def is_same_decision(id: str, other: str | None) -> bool:
    """True when two identities name the same decision, even if their unstored content differs."""
    return other is not None and id[:_HALF] == other[:_HALF]


def _joined(alike: str, exact: str) -> str:
    return alike[:_HALF] + exact[_HALF:]


def _named(*parts: object) -> str:
    text = "\x1f".join(["\x00" if part is None else str(part) for part in parts])
    return _version_5(text.encode("utf-8", "surrogatepass").hex())


def _version_5(name: str) -> str:
    """`str(uuid.uuid5(_NAMESPACE, name))`, which takes five times as long."""
    text = hashlib.sha1(_PREFIX + name.encode(), usedforsecurity=False).hexdigest()
    return f"{text[:8]}-{text[8:12]}-5{text[13:16]}-{_VARIANT[text[16]]}{text[17:20]}-{text[20:32]}"

"""Identities of messages: equal when a message is sent or delivered again, different for everything else.

A message of an orchestration or entity is named after what decided it, so that one sent again after a crash has the
identity of the first. Each call of a client is something new. On Azure Storage an identity travels as the `ActivityId`
of the envelope, hence a GUID.

Source: docs/protocol/task-hub-storage-additions.md#message-identities
"""

import uuid
from collections.abc import Iterable

from durable_host.durable.model.events import OrchestrationInstance

_NAMESPACE = uuid.UUID("5f3f5d60-6f3c-4c3b-9d0e-0c5a4c1f7b52")
_HALF = 18
"""Characters of the first eight bytes of a GUID's text."""


def new() -> str:
    """Identity of a client's call."""
    return str(uuid.uuid4())


def of_start(instance: OrchestrationInstance) -> str:
    """Identity of the start message of an instance that a client creates: each of its executions starts once."""
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
    """Identity of decision `number` of an episode. `kind` is the type of its history event.

    `content` is what an episode that is repeated might decide otherwise under the same number: name, input, target.
    `unstored` is such content that the history does not hold: identities that differ only in it are alike.
    """
    parts = ("decided", sender.instance_id, sender.execution_id, episode, kind, number, *content)
    return _named(*parts) if unstored is None else _joined(_named(*parts), _named(*parts, "unstored", unstored))


def answer_to(request: str | None) -> str | None:
    """Identity of the result of the activity request with this identity; None when that is not known.

    Answers to requests that are alike are alike. An answer to the request of a foreign worker is not derived.
    """
    if request is None:
        return None
    if not is_derived(request):
        return str(uuid.uuid3(_NAMESPACE, request.encode("utf-8", "surrogatepass").hex()))
    return _joined(_named("answer", request[:_HALF]), _named("answer", request))


def execution_of(start: str) -> str:
    """The execution ID (32 hex digits) of the child that the start message with this identity begins."""
    return uuid.UUID(_named("execution", start)).hex


def is_derived(id: str) -> bool:
    """Whether the identity was made here from what decided it; those of clients and of foreign workers are random."""
    return id[14:15] == "5"


def is_same_decision(id: str, other: str | None) -> bool:
    """Whether two identities name the same decision, perhaps with other content that the history does not hold."""
    return other is not None and id[:_HALF] == other[:_HALF]


def _joined(alike: str, exact: str) -> str:
    return alike[:_HALF] + exact[_HALF:]


def _named(*parts: object) -> str:
    text = "\x1f".join("\x00" if part is None else str(part) for part in parts)
    return str(uuid.uuid5(_NAMESPACE, text.encode("utf-8", "surrogatepass").hex()))

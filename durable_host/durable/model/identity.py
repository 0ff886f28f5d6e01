"""Identities of messages: equal when a message is sent or delivered again, different for everything else.

A message of an orchestration or entity is named after what decided it, so that one sent again after a crash has the
identity of the first. Each call of a client is something new. On Azure Storage an identity travels as the `ActivityId`
of the envelope, hence a GUID.
"""

import uuid
from collections.abc import Iterable

from durable_host.durable.model.events import OrchestrationInstance

_NAMESPACE = uuid.UUID("5f3f5d60-6f3c-4c3b-9d0e-0c5a4c1f7b52")


def new() -> str:
    """Identity of a client's call."""
    return str(uuid.uuid4())


def decided(
    sender: OrchestrationInstance, episode: int | None, kind: str, number: int, content: Iterable[str | None] = ()
) -> str:
    """Identity of decision `number` of an episode. `kind` is the type of its history event.

    `content` is what an episode that is repeated might decide otherwise under the same number: name, input, target.
    """
    return _named("decided", sender.instance_id, sender.execution_id, episode, kind, number, *content)


def answer_to(request: str | None) -> str | None:
    """Identity of the result of the activity request with this identity; None when that is not known."""
    return None if request is None else _named("answer", request)


def execution_of(start: str) -> str:
    """The execution ID (32 hex digits) of the child that the start message with this identity begins."""
    return uuid.UUID(_named("execution", start)).hex


def _named(*parts: object) -> str:
    text = "\x1f".join("\x00" if part is None else str(part) for part in parts)
    return str(uuid.uuid5(_NAMESPACE, text.encode("utf-8", "surrogatepass").hex()))

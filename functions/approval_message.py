"""Reads a message on `approval-queue`.

Some tools write queue messages as plain text, others encode them in base64 first. host.json sets
`messageEncoding` to `none`, which passes the text on unchanged, and this module accepts both forms.
"""

import base64
import binascii
import json
import re
from dataclasses import dataclass
from typing import Any

_INSTANCE_ID = re.compile(r"[^/\\?#\x00-\x1f\x7f-\x9f]{1,256}")


@dataclass(frozen=True)
class ApprovalMessage:
    """`decision` is the event's payload: True, or what the message says in its "approved"."""

    instance_id: str
    decision: Any


def read_approval_message(body: bytes) -> ApprovalMessage:
    """Understands `<instance ID>` and `{"instanceId": "<instance ID>", "approved": false}`; else ValueError."""
    text = _plain_text(body.decode("utf-8", errors="replace")).strip()
    decision: Any = True
    if text.startswith("{"):
        fields = json.loads(text)
        decision = {"approved": True, **{key: value for key, value in fields.items() if key != "instanceId"}}
        text = fields.get("instanceId") or ""
    elif text.startswith('"'):
        text = json.loads(text)
    if not isinstance(text, str) or not _INSTANCE_ID.fullmatch(text):
        raise ValueError(f"The queue message is not an instance ID: {text!r:.80}")
    return ApprovalMessage(text, decision)


def _plain_text(text: str) -> str:
    """The decoded text when `text` is base64 of something printable; the instance IDs of this app never are."""
    try:
        decoded = base64.b64decode(text.strip(), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return text
    return decoded if decoded.strip() and decoded.strip().isprintable() else text

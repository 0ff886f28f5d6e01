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
    """A message for one request. `decision` is the event's payload: True, or the value of "approved" in the message."""

    instance_id: str
    decision: Any


def read_approval_message(body: bytes) -> ApprovalMessage:
    """Read `<instance ID>` or `{"instanceId": "<instance ID>", "approved": false}`. Raises ValueError."""
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
    """Decode `text` if it is base64 of something printable, which an instance ID of this app never is."""
    try:
        decoded = base64.b64decode(text.strip(), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return text
    return decoded if decoded.strip() and decoded.strip().isprintable() else text

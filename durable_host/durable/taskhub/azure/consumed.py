"""The messages that an instance has consumed, stored in its sentinel so that copies are recognized and dropped.

Every commit writes the text. It is a list of groups, one for each minute of consumption: `<minute>:`, then a letter and
the 22 characters of a GUID in base64url for each message. The letter shows whether the message came from outside and
whether it is known to be deleted.

Source: docs/protocol/task-hub-storage-additions.md#consumed-messages
"""

import base64
import hashlib
import re
from collections.abc import Iterable

import msgspec

from durable_host.timestamp import TICKS_PER_SECOND, UNIX_EPOCH_TICKS

LONGEST_TEXT = 32_000
"""In characters. A table column holds 32,768."""
KEPT_FROM_OUTSIDE = 64
KEPT_BESIDE = 512
KEPT_TICKS = 600 * TICKS_PER_SECOND

_TICKS_PER_MINUTE = 60 * TICKS_PER_SECOND
_INSIDE, _OUTSIDE, _CONFIRMED = "i", "o", "c"
_ENTRY = 23
_NEVER = 2**63
_FORGET_EVERY = KEPT_FROM_OUTSIDE // 2
_MAX_PER_ENTRY = _ENTRY + 10
"""The characters of an entry that is alone in its group."""
_GROUP = re.compile(r"(\d{1,8}):((?:[ioc][A-Za-z0-9_-]{22})+)")


class _ConsumedMessage(msgspec.Struct, frozen=True):
    """One entry. `state` is a letter of the text; `kept_until` is in ticks.

    `is_loaded` is true if this session does not see the message's delete, because an earlier one consumed it or its put
    has failed.
    """

    minute: int
    state: str
    is_loaded: bool
    kept_until: int


class ConsumedMessages:
    """The identities of messages that one instance has consumed, owned by whatever commits the instance.

    The text contains the messages whose delete is not confirmed and, of messages from outside, the last 64 of the last
    ten minutes. The last 512 that were removed from the text are kept in memory for the lifetime of this object,
    because a sender that does not know whether its message arrived may have put it into the queue twice.
    """

    __slots__ = ("_entries", "_forget_at", "_recent", "_text", "_text_until")

    def __init__(self) -> None:
        self._entries: dict[str, _ConsumedMessage] = {}
        self._recent: dict[str, None] = {}
        self._forget_at = KEPT_FROM_OUTSIDE + _FORGET_EVERY
        self._text: str | None = ""
        self._text_until = 0

    @classmethod
    def read(cls, text: str | None, *, served_since: int = 0) -> "ConsumedMessages":
        """Parse the text of a sentinel. An unreadable text gives an empty record.

        `served_since` (ticks) is when this process began to receive the instance's messages. A message that was
        consumed earlier and is not delivered again within ten minutes was deleted.
        """
        consumed = cls()
        if not text:
            return consumed
        groups = [_GROUP.fullmatch(group) for group in text.split(" ")]
        for group in groups:
            if group is None:
                return cls()
            minute, entries = int(group.group(1)), group.group(2)
            for at in range(0, len(entries), _ENTRY):
                state, key = entries[at], entries[at + 1 : at + _ENTRY]
                until = _kept_until(minute)
                if state != _CONFIRMED:
                    until = max(until, served_since + KEPT_TICKS)
                consumed._entries[key] = _ConsumedMessage(minute, state, True, until)
        consumed._text = None
        return consumed

    def __contains__(self, id: str) -> bool:
        key = _key(id)
        return key in self._entries or key in self._recent

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, id: str, now: int, *, from_outside: bool) -> None:
        """Record a message that the next commit consumes. Its delete is not confirmed yet."""
        key = _key(id)
        minute = max(0, -(-(now - UNIX_EPOCH_TICKS) // _TICKS_PER_MINUTE))
        self._entries.pop(key, None)
        self._entries[key] = _ConsumedMessage(minute, _OUTSIDE if from_outside else _INSIDE, False, _kept_until(minute))
        self._text = None
        if len(self._entries) >= self._forget_at:
            self._forget_old(now)
            self._forget_at = max(KEPT_FROM_OUTSIDE, len(self._entries)) + _FORGET_EVERY

    def confirmed(self, id: str) -> None:
        """Record that the queue message was deleted, so that it is not delivered again."""
        key = _key(id)
        entry = self._entries.get(key)
        if entry is None or entry.state == _CONFIRMED:
            return
        if entry.state == _INSIDE:
            self._retire(key)
        else:
            self._entries[key] = _ConsumedMessage(entry.minute, _CONFIRMED, entry.is_loaded, _kept_until(entry.minute))
        self._text = None

    def unconfirmed(self, id: str) -> None:
        """Record that this session will not see the message's delete, because its put has failed."""
        key = _key(id)
        entry = self._entries.get(key)
        if entry is not None and entry.state != _CONFIRMED:
            self._entries[key] = msgspec.structs.replace(entry, is_loaded=True)
            self._text = None

    def text(self, now: int) -> str:
        """Return the text for the sentinel: at most 32,000 characters. `now` is in ticks."""
        if self._text is None or (self._entries and now > self._text_until):
            self._forget_old(now)
            self._text = self._written()
            ends = [entry.kept_until for entry in self._entries.values() if _expires(entry)]
            self._text_until = min(ends, default=_NEVER)
        return self._text

    @property
    def is_full(self) -> bool:
        """True when the messages whose delete is not confirmed do not fit into the text.

        The next commit must then wait for deletes. Messages that an earlier session consumed make room instead, and are
        not waited for.
        """
        if len(self._entries) * _MAX_PER_ENTRY <= LONGEST_TEXT:
            return False
        awaited = [item for item in self._entries.items() if not _expires(item[1])]
        return len(_join(awaited)) + KEPT_FROM_OUTSIDE * _MAX_PER_ENTRY > LONGEST_TEXT

    def copy(self) -> "ConsumedMessages":
        """Return a copy for a commit that may fail: additions to one do not affect the other."""
        copied = ConsumedMessages()
        copied._entries = dict(self._entries)
        copied._recent, copied._forget_at = self._recent, self._forget_at
        copied._text, copied._text_until = self._text, self._text_until
        return copied

    def _forget_old(self, now: int) -> None:
        last = self._last_from_outside()
        for key, entry in list(self._entries.items()):
            if _expires(entry) and (now > entry.kept_until or (entry.state == _CONFIRMED and key not in last)):
                self._retire(key)

    def _retire(self, key: str) -> None:
        """Remove an entry from the text and keep it in memory."""
        del self._entries[key]
        self._recent[key] = None
        if len(self._recent) > KEPT_BESIDE:
            del self._recent[next(iter(self._recent))]

    def _last_from_outside(self) -> frozenset[str]:
        outside = [key for key, entry in self._entries.items() if entry.state != _INSIDE]
        return frozenset(outside[-KEPT_FROM_OUTSIDE:])

    def _written(self) -> str:
        items = list(self._entries.items())
        text = _join(items)
        if len(text) <= LONGEST_TEXT:
            return text
        last = self._last_from_outside()

        def priority(item: tuple[str, _ConsumedMessage]) -> tuple[bool, bool, bool]:
            return item[0] in last, not item[1].is_loaded, item[1].state != _INSIDE

        by_priority = [key for key, _ in sorted(items, key=priority)]
        dropped = 0
        while (excess := len(text) - LONGEST_TEXT) > 0:
            dropped += -(-excess // _MAX_PER_ENTRY)
            out = set(by_priority[:dropped])
            text = _join(item for item in items if item[0] not in out)
        return text


def _expires(entry: _ConsumedMessage) -> bool:
    return entry.is_loaded or entry.state == _CONFIRMED


def _kept_until(minute: int) -> int:
    return UNIX_EPOCH_TICKS + minute * _TICKS_PER_MINUTE + KEPT_TICKS


def _join(items: Iterable[tuple[str, _ConsumedMessage]]) -> str:
    parts: list[str] = []
    minute: int | None = None
    for key, entry in items:
        if entry.minute != minute:
            parts.append(f"{' ' if parts else ''}{entry.minute}:")
            minute = entry.minute
        parts.append(entry.state + key)
    return "".join(parts)


def _key(id: str) -> str:
    """Return the 22 characters of a GUID. Any other identity is hashed."""
    raw = b""
    plain = id.replace("-", "")
    if len(plain) == 32 and (len(id) == 32 or (len(id) == 36 and id[8] == id[13] == id[18] == id[23] == "-")):
        try:
            raw = bytes.fromhex(plain)
        except ValueError:
            raw = b""
    if len(raw) != 16:
        raw = hashlib.sha256(id.encode("utf-8", "surrogatepass")).digest()[:16]
    return base64.urlsafe_b64encode(raw)[:22].decode()

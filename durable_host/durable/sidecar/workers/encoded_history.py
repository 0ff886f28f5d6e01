"""Encoded histories for workers. Each event is encoded once, although every turn sends it again."""

from collections import OrderedDict
from collections.abc import Sequence

from durable_host.durable.model.events import HistoryEvent
from durable_host.durable.proto import pb
from durable_host.durable.sdk.v2_events import event_message
from durable_host.durable.sdk.v2_native_entities import NativeEntityEvents
from durable_host.durable.sidecar.workers import encoded_fields

_PAST_EVENTS, _NEW_EVENTS = 3, 4
MAX_HISTORIES = 500


class EncodedHistory:
    """The history of one execution. Messages to and from entities use the protocol's own form."""

    def __init__(self) -> None:
        self._native = NativeEntityEvents()
        self._events: list[HistoryEvent] = []
        self._encoded: list[bytes] = []
        self._past = bytearray()
        self._past_count = 0

    def continues(self, history: Sequence[HistoryEvent]) -> bool:
        """Return True if `history` begins with the known events. This is fast if they are the same objects."""
        return self._events == history[: len(self._events)]

    def add(self, history: Sequence[HistoryEvent]) -> None:
        """Encode the new events of `history`."""
        for event in history[len(self._events) :]:
            message = self._native.form_of(event) or event_message(event)
            self._events.append(event)
            self._encoded.append(message.SerializeToString())

    def past(self, count: int) -> bytes:
        """Return the first `count` events as past events of an OrchestratorRequest."""
        if count < self._past_count:
            self._past, self._past_count = bytearray(), 0
        for encoded in self._encoded[self._past_count : count]:
            self._past += encoded_fields.field(_PAST_EVENTS, encoded)
        self._past_count = count
        return bytes(self._past)

    def new(self, begin: int) -> bytes:
        """Return the events from `begin` on as new events of an OrchestratorRequest."""
        return b"".join(encoded_fields.field(_NEW_EVENTS, encoded) for encoded in self._encoded[begin:])


class EncodedHistories:
    """The histories of the executions that ran last."""

    def __init__(self) -> None:
        self._histories: OrderedDict[tuple[str, str], EncodedHistory] = OrderedDict()

    def of(self, instance_id: str, execution_id: str, history: Sequence[HistoryEvent]) -> EncodedHistory:
        key = (instance_id, execution_id)
        known = self._histories.get(key)
        if known is None or not known.continues(history):
            known = self._histories[key] = EncodedHistory()
        self._histories.move_to_end(key)
        while len(self._histories) > MAX_HISTORIES:
            self._histories.popitem(last=False)
        known.add(history)
        return known

    def forget(self, instance_id: str, execution_id: str) -> None:
        self._histories.pop((instance_id, execution_id), None)


def past_events(encoded: bytes) -> Sequence[pb.HistoryEvent]:
    """Decode what `EncodedHistory.past` has returned."""
    return pb.OrchestratorRequest.FromString(encoded).pastEvents

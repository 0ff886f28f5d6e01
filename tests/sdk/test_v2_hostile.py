"""Worker answers that the SDK never gives: an error or nothing, never an exception of the host."""

import base64
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numbered_world import Scripted

from durable_host.durable.engine.state import OrchestrationState
from durable_host.durable.model.events import EventRaised, EventSent, OrchestratorCompleted
from durable_host.durable.sdk.v2_entities import read_batch_result
from durable_host.durable.sdk.v2_events import event_message
from durable_host.durable.sdk.v2_turns import BadResponse, read_response, turn_request
from durable_host.durable.user_code import NumberedAnswer

_LINES = Path(__file__).with_name("v2_vectors.txt").read_text("ascii").splitlines()
ANSWERS = [base64.b64decode(line.rpartition(" ")[2]) for line in _LINES if " RSP " in line]
OURS = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """An answer of the protocol with some bytes changed, or anything."""
    data = bytearray(draw(st.sampled_from(ANSWERS)))
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, len(data) - 1))
        data[place] = draw(st.integers(0, 255))
    return draw(st.sampled_from([bytes(data), bytes(data) + bytes(data), draw(st.binary(max_size=40))]))


@given(st.lists(damaged(), min_size=1, max_size=4))
@OURS
def test_any_answer_ends_in_a_committed_episode(answers: list[bytes]) -> None:
    world = Scripted()
    for number, data in enumerate(answers):
        try:
            answer = read_response(data)
        except BadResponse as bad:
            answer = NumberedAnswer(error=str(bad))
        if number == 0:
            outcome = world.begin(answer, NumberedAnswer(), NumberedAnswer())
        else:
            outcome = world.deliver(EventRaised(name="x"), answers=[answer, NumberedAnswer(), NumberedAnswer()])
        history = world.state.history
        assert isinstance(history[-1], OrchestratorCompleted)
        assert outcome.is_terminal is world.state.is_terminal
        if outcome.is_terminal:
            return
        reloaded = OrchestrationState.from_history("i1", history, is_numbered=True)
        turn_request("i1", reloaded.history, len(history)).SerializeToString()


@given(damaged())
@OURS
def test_any_answer_of_an_entity_can_be_read_or_is_refused(data: bytes) -> None:
    try:
        answer = read_batch_result(data)
    except BadResponse:
        return
    assert answer.leaves_rest


_ANY = st.text(st.characters(exclude_categories=()), max_size=50)
"""Halves of surrogate pairs too."""


@given(_ANY, _ANY)
@OURS
def test_any_text_can_be_put_into_an_event(name: str, text: str) -> None:
    for event in (EventRaised(name=name, input=text), EventSent(name=name, instance_id=name, input=text)):
        event_message(event).SerializeToString()

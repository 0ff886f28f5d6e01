"""Identities of messages: GUIDs, equal for the same decision and different for any other."""

import uuid

import pytest

from durable_host.durable.model import identity
from durable_host.durable.model.events import OrchestrationInstance

SENDER = OrchestrationInstance("a", "e" * 32)
FOREIGN = "0e7b3a52-8f4d-4b3e-9c1a-2d5f6a7b8c9d"


def request(
    sender=SENDER, episode=2, kind="TaskScheduled", number=3, content=("Hello",), unstored: str | None = "[1]"
) -> str:
    return identity.decided(sender, episode, kind, number, content, unstored=unstored)


CHANGES = [
    {"sender": OrchestrationInstance("b", "e" * 32)},
    {"sender": OrchestrationInstance("a", "f" * 32)},
    {"episode": 3},
    {"kind": "TimerCreated"},
    {"number": 4},
    {"content": ("Bye",)},
    {"content": ()},
    {"unstored": "[2]"},
]


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_an_identity_names_all_that_was_decided(change):
    assert request() == request()
    assert request(**change) != request()
    assert identity.answer_to(request(**change)) != identity.answer_to(request())


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_only_what_the_history_does_not_hold_makes_no_difference_to_likeness(change):
    is_same_decision = "unstored" in change
    other = request(**change)
    assert identity.is_same_decision(other, request()) is is_same_decision
    assert identity.is_same_decision(identity.answer_to(other), identity.answer_to(request())) is is_same_decision  # pyright: ignore[reportArgumentType]
    assert identity.is_same_decision(request(), identity.decided(SENDER, 2, "TaskScheduled", 3, ("Hello",)))


def test_identities_are_guids_that_tell_what_is_derived():
    own = (request(), request(unstored=None), identity.answer_to(request()))
    assert [uuid.UUID(each).version for each in own] == [5, 5, 5]
    assert all(str(uuid.UUID(each)) == each and identity.is_derived(each) for each in own)  # pyright: ignore[reportArgumentType]
    foreign = (identity.new(), FOREIGN, identity.answer_to(FOREIGN))
    assert all(str(uuid.UUID(each)) == each and not identity.is_derived(each) for each in foreign)  # pyright: ignore[reportArgumentType]
    assert identity.answer_to(FOREIGN) == identity.answer_to(FOREIGN) != FOREIGN
    assert identity.answer_to(None) is None


@pytest.mark.parametrize("is_of_v2", [True, False])
def test_execution_ids_tell_who_has_encoded_the_input(is_of_v2: bool):
    of_client = identity.new_execution(is_of_v2=is_of_v2)
    of_child = identity.execution_of(request(), is_of_v2=is_of_v2)
    assert identity.is_started_by_v2(of_client) is identity.is_started_by_v2(of_child) is is_of_v2
    assert uuid.UUID(of_client).variant == uuid.UUID(of_child).variant == uuid.RFC_4122
    assert of_child == identity.execution_of(request(), is_of_v2=is_of_v2)


@pytest.mark.parametrize("execution_id", [None, "", "e1", FOREIGN, FOREIGN.replace("-", "")])
def test_other_execution_ids_are_not_of_2x(execution_id: str | None):
    assert not identity.is_started_by_v2(execution_id)

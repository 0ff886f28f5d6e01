"""Golden vectors of hashing, routing and key escaping.

Source: docs/protocol/task-hub-storage-examples.md#routing-vectors,
    docs/protocol/task-hub-storage-examples.md#escaped-keys,
    docs/protocol/task-hub-storage-examples.md#app-lease-ids
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durable_host.durable.taskhub.azure import names
from durable_host.durable.taskhub.azure.names import HubNames

HASHES = [
    ("abc123", 951228933, 1, 5),
    ("ABC123", 1166364645, 1, 5),
    ("a", 3826002220, 0, 12),
    ("0123456789abcdef0123456789abcdef", 2261798325, 1, 5),
    ("0123456789abcdef0123456789abcdef:0", 1971588823, 3, 7),
    ("0123456789abcdef0123456789abcdef:2", 2005144061, 1, 13),
    ("7f1b5a2e4c5d4e0f9a8b7c6d5e4f3a2b", 1656202585, 1, 9),
    ("6f9619ff-8b86-d011-b42d-00c04fc964ff", 349416753, 1, 1),
    ("job:42", 494764192, 0, 0),
    ("@counter@a", 3393218822, 2, 6),
    ("@counter@myCounter", 1450425543, 3, 7),
    ("@counter@", 3465359043, 3, 3),
    ("with space", 2102326215, 3, 7),
    ("order/2024#5?x", 1435095615, 3, 15),
    ("back\\slash", 3812958047, 3, 15),
    ("caret^id", 535098703, 3, 15),
    ("line\nbreak", 527786666, 2, 10),
    ("del\x7fnel\x85", 4005132103, 3, 7),
    ("Zürich-Straße", 3301056782, 2, 14),
    ("日本語", 2153733351, 3, 7),
    ("emoji-😀", 765500573, 1, 13),
]


@pytest.mark.parametrize(("instance_id", "value", "mod4", "mod16"), HASHES)
def test_instance_is_hashed_and_routed_as_the_reference_does(
    instance_id: str, value: int, mod4: int, mod16: int
) -> None:
    assert names.fnv1a32(instance_id) == value
    assert HubNames.of("MyHub", 4).queue_of(instance_id) == f"myhub-control-{mod4:02d}"
    assert HubNames.of("MyHub", 16).queue_of(instance_id) == f"myhub-control-{mod16:02d}"


@pytest.mark.parametrize(
    ("instance_id", "key"),
    [
        ("order/2024#5?x", "order^02024^25^3x"),
        ("back\\slash", "back^1slash"),
        ("caret^id", "caret^^id"),
        ("line\nbreak", "line^\u00cabreak"),
        ("del\x7fnel\x85", "del^\u013fnel^\u0145"),
        ("abc123", "abc123"),
        ("Zürich-Straße", "Zürich-Straße"),
        ("emoji-😀", "emoji-😀"),
    ],
)
def test_table_key_is_escaped_and_read_back(instance_id: str, key: str) -> None:
    assert names.escape_key(instance_id) == key
    assert names.unescape_key(key) == instance_id


@given(st.text())
def test_unescaping_undoes_escaping(text: str) -> None:
    assert names.unescape_key(names.escape_key(text)) == text


def test_an_unpaired_surrogate_is_hashed_as_the_replacement_character() -> None:
    assert names.fnv1a32("a\ud800b") == names.fnv1a32("a\ufffdb")


@pytest.mark.parametrize(
    ("app", "lease_id"),
    [
        ("", "811c9dc5-0000-0000-0000-000000000000"),
        ("myapp", "1312a8a6-0000-0000-0000-000000000000"),
        ("my-function-app", "49d19728-0000-0000-0000-000000000000"),
    ],
)
def test_app_lease_id_follows_from_the_app_name(app: str, lease_id: str) -> None:
    assert names.app_lease_id(app) == lease_id


def test_resources_are_named_after_the_hub() -> None:
    hub = HubNames.of("MyHub", 2)
    assert hub.control_queues == ["myhub-control-00", "myhub-control-01"]
    assert (hub.work_items, hub.history, hub.instances) == ("myhub-workitems", "MyHubHistory", "MyHubInstances")
    assert (hub.partitions, hub.large_messages) == ("MyHubPartitions", "myhub-largemessages")
    assert (hub.app_lease, hub.app_lease_blob) == ("myhub-applease", "myhub-appleaseinfo")
    assert HubNames.of("MyHub", 2, "DurableTask").history == "DurableTaskHistory"


def test_row_key_is_sixteen_hex_digits_in_upper_case() -> None:
    assert names.row_key(0) == "0000000000000000"
    assert names.row_key(0xABC) == "0000000000000ABC"

"""The sample app by itself: its messages, and that it runs on any host."""

import ast
import base64
import json
from pathlib import Path

import pytest

from functions.approval_message import ApprovalMessage, read_approval_message
from functions.approvals import _says_no

REPOSITORY = Path(__file__).resolve().parents[2]
ID = "0f8fad5bd9cb469fa16570867728950e"


@pytest.mark.parametrize(
    ("text", "instance_id", "decision"),
    [
        (ID, ID, True),
        (f"  {ID}\n", ID, True),
        (base64.b64encode(ID.encode()).decode(), ID, True),
        (json.dumps(ID), ID, True),
        (json.dumps({"instanceId": ID}), ID, {"approved": True}),
        (json.dumps({"instanceId": ID, "approved": False, "by": "me"}), ID, {"approved": False, "by": "me"}),
        (base64.b64encode(json.dumps({"instanceId": ID}).encode()).decode(), ID, {"approved": True}),
        ("my-own-id:7", "my-own-id:7", True),
    ],
)
def test_a_message_names_the_instance_in_plain_text_json_or_base64(
    text: str, instance_id: str, decision: object
) -> None:
    assert read_approval_message(text.encode()) == ApprovalMessage(instance_id, decision)


@pytest.mark.parametrize(
    "text", ["", "  ", "a/b", "a?b", "a#b", "a\\b", "a\x00b", "{", "{}", '{"instanceId": 5}', "x" * 257]
)
def test_a_message_that_is_not_an_instance_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any ValueError fails the function
        read_approval_message(text.encode())


@pytest.mark.parametrize(
    ("decision", "no"),
    [
        (True, False), (None, False), ({}, False), ({"approved": True}, False), ("ok", False),
        ('{"approved": true}', False),
        (False, True), ({"approved": False}, True), ("denied", True), ("No", True), ('{"approved": false}', True),
        ("false", True), ('"denied"', True),
    ],
)  # fmt: skip
def test_the_event_approves_unless_it_says_no(decision: object, no: bool) -> None:
    assert _says_no(decision) is no


def test_the_app_imports_nothing_of_this_host() -> None:
    for file in (REPOSITORY / "function_app.py", *(REPOSITORY / "functions").glob("**/*.py")):
        tree = ast.parse(file.read_text("utf-8"))
        modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        modules |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert not [module for module in modules if module.startswith("durable_host")], file

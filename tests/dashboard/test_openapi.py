"""The OpenAPI document: it describes what the API does, whatever is sent."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from dashboard_world import DashboardWorld

from durable_host.dashboard.dashboard_routes import ROOT
from durable_host.dashboard.endpoint_table import ENDPOINTS
from durable_host.dashboard.openapi import openapi_document

DOCUMENT = openapi_document(ENDPOINTS)
ENDLESS = "/changes"


@pytest.mark.process
@pytest.mark.timeout(300)
def test_every_answer_is_as_documented() -> None:
    """See `openapi_cases.py`: each operation is a test of its own there."""
    cases = Path(__file__).with_name("openapi_cases.py")
    command = [sys.executable, "-m", "pytest", "-o", "addopts=", "-p", "no:anyio", "-p", "no:cacheprovider", "-q"]
    done = subprocess.run([*command, str(cases)], capture_output=True, text=True, timeout=280, check=False)
    described = sum(len(methods) for path, methods in DOCUMENT["paths"].items() if path != ENDLESS)
    assert re.search(rf"^{described} passed in ", done.stdout, re.MULTILINE), done.stdout + done.stderr


async def test_the_document_is_served(small: DashboardWorld) -> None:
    answer = await small.request("GET", f"{ROOT}/openapi.json")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json; charset=utf-8")
    assert answer.json == json.loads(json.dumps(DOCUMENT))


def test_every_endpoint_is_in_the_document() -> None:
    described = {(method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods}
    assert described == {(one.method, one.path) for one in ENDPOINTS}


def test_every_operation_has_a_name_of_its_own() -> None:
    names = [operation["operationId"] for methods in DOCUMENT["paths"].values() for operation in methods.values()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda one: f"{one.method} {one.path}")
def test_every_action_names_the_token(endpoint: Any) -> None:
    operation = DOCUMENT["paths"][endpoint.path][endpoint.method.lower()]
    assert ("security" in operation) is (endpoint.method != "GET")

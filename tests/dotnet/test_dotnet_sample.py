"""The sample in samples/dotnet-approvals has the functions, routes, queue and events of those in other languages.

It is not compiled here: building it needs the .NET SDK.
"""

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "samples" / "dotnet-approvals"
CODE = (SAMPLE / "Approvals.cs").read_text("utf-8")
PYTHON = (ROOT / "functions" / "approvals.py").read_text("utf-8")
DOCS = (ROOT / "docs" / "how-to" / "node-apps.md").read_text("utf-8")


def test_it_has_the_functions_of_the_sample_in_python() -> None:
    python = re.findall(r"@approvals[^\n]*\n(?:@[^\n]*\n)*(?:async )?def (\w+)", PYTHON)
    assert sorted(re.findall(r'\[Function\("(\w+)"\)\]', CODE)) == sorted(python)


def test_it_has_the_routes_of_the_sample_in_python() -> None:
    python = re.findall(r'route="([^"]+)", methods=\["(\w+)"\]', PYTHON)
    found = re.findall(r'HttpTrigger\(AuthorizationLevel\.\w+, "(\w+)", Route = "([^"]+)"\)', CODE)
    assert sorted((route, method.upper()) for method, route in found) == sorted(python)


def test_it_has_the_queue_and_the_event_of_the_sample_in_python() -> None:
    (queue,) = re.findall(r'queue_name="([^"]+)"', PYTHON)
    (event,) = re.findall(r'^EVENT = "(\w+)"', PYTHON, re.MULTILINE)
    assert f'QueueTrigger("{queue}", Connection = "AzureWebJobsStorage")' in CODE
    assert f'const string Approval = "{event}";' in CODE


def test_its_project_is_one_of_the_isolated_worker_model() -> None:
    project = ElementTree.parse(SAMPLE / "Approvals.csproj")
    packages = {one.get("Include"): one.get("Version") for one in project.iter("PackageReference")}
    assert "Microsoft.Azure.Functions.Worker" in packages
    assert "Microsoft.Azure.Functions.Worker.Extensions.DurableTask" in packages
    assert all(packages.values())
    copied = {one.get("Update") for one in project.iter("None")}
    assert copied == {"host.json", "local.settings.json"}


def test_its_settings_are_those_of_the_other_samples() -> None:
    host = json.loads((SAMPLE / "host.json").read_text())
    assert host["extensions"]["queues"] == {"messageEncoding": "none"}
    values = json.loads((SAMPLE / "local.settings.json").read_text())["Values"]
    assert values["FUNCTIONS_WORKER_RUNTIME"] == "dotnet-isolated"


@pytest.mark.parametrize("block", re.findall(r"```csharp\n(.*?)```", DOCS, re.DOTALL))
def test_the_guide_shows_the_code_of_the_sample(block: str) -> None:
    head = block[: block.index("\n{\n")]
    assert head.replace("\n", "\n    ") in CODE, "the signature"
    assert block.count("{") == block.count("}")

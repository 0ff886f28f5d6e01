"""The files of a new app, as name → text. Pure functions; the command writes the files.

Source: docs/protocol/functions-host-cli.md#initialize-an-app
"""

import json
from typing import Final

from durable_host.cli.scaffold import rendering
from durable_host.cli.scaffold.template_catalog import Model

CHANNELS: Final = {"GA": "", "Preview": ".Preview", "Experimental": ".Experimental"}
"""Channel of the extension bundle → suffix of the bundle's ID."""


def python_project_files(model: Model, *, bundle_channel: str | None, docs: bool) -> dict[str, str]:
    """Path → text, in the order in which they are written. `bundle_channel` None leaves the bundle out."""
    files = {"requirements.txt": rendering.read("project/requirements.txt")}
    if model == "V2":
        files["function_app.py"] = rendering.read("project/function_app.py")
    elif docs:
        files["getting_started.md"] = rendering.read("project/getting_started.md")
    files[".gitignore"] = rendering.read("project/gitignore")
    files["host.json"] = indented_json(host_json(bundle_channel))
    files["local.settings.json"] = indented_json(local_settings("python"))
    files[".vscode/extensions.json"] = rendering.read("project/extensions.json")
    return files


def docker_files(python_version: str) -> dict[str, str]:
    """Dockerfile and .dockerignore for an image with this Python version (`3.11`)."""
    return {
        "Dockerfile": rendering.render("project/Dockerfile", {"python": python_version}),
        ".dockerignore": rendering.read("project/dockerignore"),
    }


def local_settings(runtime: str) -> dict[str, object]:
    """The content of local.settings.json for this worker runtime."""
    return {
        "IsEncrypted": False,
        "Values": {"FUNCTIONS_WORKER_RUNTIME": runtime, "AzureWebJobsStorage": "UseDevelopmentStorage=true"},
    }


def host_json(bundle_channel: str | None) -> dict[str, object]:
    """The content of host.json, with the extension bundle of a channel; None leaves it out."""
    document: dict[str, object] = {
        "version": "2.0",
        "logging": {
            "applicationInsights": {"samplingSettings": {"isEnabled": True, "excludedTypes": "Request"}},
        },
    }
    if bundle_channel is not None:
        document["extensionBundle"] = {
            "id": f"Microsoft.Azure.Functions.ExtensionBundle{CHANNELS[bundle_channel]}",
            "version": "[4.*, 5.0.0)",
        }
    return document


def indented_json(document: object) -> str:
    """The text of a JSON file."""
    return json.dumps(document, indent=2) + "\n"

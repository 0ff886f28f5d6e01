"""The files of a new .NET isolated app, as name → text. Pure functions; the command writes the files.

Source: docs/protocol/functions-host-cli.md#initialize-an-app
"""

import re
from typing import Final

from durable_host.cli.scaffold import rendering
from durable_host.cli.scaffold.project_files import host_json, indented_json, local_settings
from durable_host.config.worker_runtime import DOTNET
from durable_host.errors import UsageError

DEFAULT_TARGET: Final = "net10.0"
ASPNETCORE: Final = "Microsoft.Azure.Functions.Worker.Extensions.Http.AspNetCore"
VERSIONS: Final = {
    "Microsoft.Azure.Functions.Worker": "2.52.0",
    "Microsoft.Azure.Functions.Worker.Sdk": "2.1.0",
    "Microsoft.Azure.Functions.Worker.Extensions.DurableTask": "1.21.1",
    "Microsoft.Azure.Functions.Worker.Extensions.Http": "3.3.0",
    ASPNETCORE: "2.1.1",
    "Microsoft.Azure.Functions.Worker.Extensions.Storage.Blobs": "6.8.2",
    "Microsoft.Azure.Functions.Worker.Extensions.Storage.Queues": "5.5.5",
    "Microsoft.Azure.Functions.Worker.Extensions.Timer": "4.3.1",
}
"""Packages of .NET apps, in the versions that this host was tested with."""
_OF_NEW_APPS: Final = ("Microsoft.Azure.Functions.Worker", "Microsoft.Azure.Functions.Worker.Sdk", ASPNETCORE)
_OLDEST: Final = 6


def project_name(folder: str) -> str:
    """The name of the project and its namespace, from the name of its folder."""
    name = re.sub(r"\W", "_", folder) or "App"
    return f"_{name}" if name[0].isdigit() else name


def target_framework(text: str | None) -> str:
    """`net10.0`, from the value of `--target-framework`. Raises UsageError."""
    target = (text or DEFAULT_TARGET).strip().lower()
    found = re.fullmatch(r"net(\d+)\.0", target)
    if found is None or int(found[1]) < _OLDEST:
        raise UsageError(
            f"The target framework '{text}' is not supported.",
            cause="The .NET Framework runs only on Windows, and this host runs apps of .NET 6 and later.",
            remedy="Name a version of .NET: --target-framework net8.0, or net10.0.",
        )
    return target


def dotnet_project_files(name: str, target: str) -> dict[str, str]:
    """Path → text, in the order in which they are written. `name` is the project's name."""
    values = {"namespace": name, "target": target}
    packages = "".join(f"    {reference(package)}\n" for package in _OF_NEW_APPS)
    project = rendering.render_script("dotnet_project/project.csproj", values)
    return {
        f"{name}.csproj": project.replace("  </ItemGroup>\n", f"{packages}  </ItemGroup>\n", 1),
        "Program.cs": rendering.read("dotnet_project/Program.cs"),
        "Properties/launchSettings.json": rendering.render_script("dotnet_project/launchSettings.json", values),
        ".gitignore": rendering.read("dotnet_project/gitignore"),
        "host.json": indented_json(host_json(None)),
        "local.settings.json": indented_json(local_settings(DOTNET)),
        ".vscode/extensions.json": rendering.read("dotnet_project/extensions.json"),
    }


def dotnet_docker_files(name: str, target: str) -> dict[str, str]:
    """Dockerfile and .dockerignore for an image that builds and runs the project."""
    values = {"namespace": name, "version": target.removeprefix("net")}
    return {
        "Dockerfile": rendering.render_script("dotnet_project/Dockerfile", values),
        ".dockerignore": rendering.read("dotnet_project/dockerignore"),
    }


def reference(package: str) -> str:
    """The element of a project file that references a package of `VERSIONS`."""
    return f'<PackageReference Include="{package}" Version="{VERSIONS[package]}" />'

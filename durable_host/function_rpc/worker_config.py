"""How the worker of an app is started: `worker.config.json` in the app's folder, and the host's arguments.

Source: docs/protocol/function-rpc.md#starting-a-worker
"""

import json
import os
import platform
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

import msgspec

from durable_host.config.dotnet_project import WORKER_CONFIG
from durable_host.invocation.errors import WorkerStartFailed

_SYSTEMS: Final = {"linux": "LINUX", "darwin": "OSX", "win32": "WINDOWS"}
_ARCHITECTURES: Final = {"x86_64": "X64", "amd64": "X64", "aarch64": "Arm64", "arm64": "Arm64", "i386": "X86"}
LONGEST_MESSAGE: Final = 2**31 - 1
REBUILD: Final = "Build the app again with 'dotnet build', and start the host in the output folder."


class WorkerConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What the file describes. `executable` and `assembly` may be relative to the app's folder."""

    executable: str
    assembly: str
    arguments: tuple[str, ...] = ()


def read_worker_config(root: Path, environ: Mapping[str, str]) -> WorkerConfig:
    """The configuration in the folder `root`, with its placeholders filled in. Raises WorkerStartFailed."""
    path = root / WORKER_CONFIG
    try:
        content: Any = json.loads(path.read_text("utf-8-sig"))
    except FileNotFoundError as error:
        raise WorkerStartFailed(
            f"The folder '{root}' has no {WORKER_CONFIG}.",
            cause="The build of a .NET isolated app writes this file into its output folder.",
            remedy=REBUILD,
        ) from error
    except (OSError, ValueError) as error:
        raise WorkerStartFailed(f"'{path}' cannot be read.", cause=str(error), remedy=REBUILD) from error
    described: Any = cast("dict[str, Any]", content).get("description") if isinstance(content, dict) else None
    if not isinstance(described, dict):
        raise WorkerStartFailed(f"'{path}' has no 'description'.", remedy=REBUILD)
    members = cast("dict[str, Any]", described)
    arguments: Any = members.get("arguments") or ()
    executable, assembly = members.get("defaultExecutablePath"), members.get("defaultWorkerPath")
    if not isinstance(executable, str) or not isinstance(assembly, str) or not executable or not assembly:
        raise WorkerStartFailed(f"'{path}' names no 'defaultExecutablePath' or no 'defaultWorkerPath'.", remedy=REBUILD)
    return WorkerConfig(
        executable=_filled(executable, root, environ),
        assembly=_filled(assembly, root, environ),
        arguments=tuple(_filled(str(one), root, environ) for one in arguments),
    )


def _filled(text: str, root: Path, environ: Mapping[str, str]) -> str:
    """The text with the folder, the machine and the `%NAMES%` of settings. Unknown names are left alone."""
    for name, value in {
        "{WorkerRoot}": f"{root}{os.sep}",
        "{workerDirectoryPath}": str(root),
        "{os}": _SYSTEMS.get(sys.platform, "LINUX"),
        "{architecture}": _ARCHITECTURES.get(platform.machine().lower(), "X64"),
    }.items():
        text = text.replace(name, value)
    return re.sub(r"%(\w+)%", lambda found: environ.get(found[1], found[0]), text)


def host_arguments(port: int, worker_id: str, request_id: str) -> list[str]:
    """The host's arguments in both spellings: older workers read the first one, .NET the second one."""
    return [
        "--host", "127.0.0.1", "--port", str(port), "--workerId", worker_id, "--requestId", request_id,
        "--grpcMaxMessageLength", str(LONGEST_MESSAGE),
        "--functions-uri", f"http://127.0.0.1:{port}/", "--functions-worker-id", worker_id,
        "--functions-request-id", request_id, "--functions-grpc-max-message-length", str(LONGEST_MESSAGE),
    ]  # fmt: skip

"""The official worker and client of a task hub: a program that takes one JSON object per line and answers each."""

import json
import os
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class OfficialHub:
    """A running program on one task hub. Its warnings are kept in `lines`."""

    def __init__(self, folder: Path, connection: str, hub: str, gates: Path, settings: Mapping[str, Any]) -> None:
        dotnet = folder / "dotnet"
        options = [f"{name}={value}" for name, value in settings.items()]
        self.lines: list[str] = []
        self._process = subprocess.Popen(
            [
                dotnet / "dotnet",
                folder / "hub" / "hub.dll",
                connection,
                hub,
                *options,
            ],
            env={
                **os.environ,
                "DOTNET_ROOT": str(dotnet),
                "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1",
                "GATES": str(gates),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def do(self, command: str, **members: Any) -> Any:
        """The result of a command. Raises `RuntimeError` with the program's reason."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": command, **members}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the official hub has ended:\n" + "\n".join(self.lines))
        answer = json.loads(line)
        if not answer["ok"]:
            raise RuntimeError(f"{command} {members}: {answer['error']}")
        return answer["result"]

    def close(self) -> None:
        """End the process without a clean stop."""
        self._process.kill()
        self._process.wait()
        self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            assert pipe is not None
            pipe.close()

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.lines.append(line.rstrip("\n"))

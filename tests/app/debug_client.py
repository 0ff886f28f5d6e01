"""A minimal debugger client: the Debug Adapter Protocol over a socket."""

import contextlib
import json
import socket
import threading
from typing import Any


class DebugClient:
    """Attaches on creation. `events` has what came from the adapter."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._number = 0
        self._messages: list[dict[str, Any]] = []
        self._changed = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()
        self.request("initialize", adapterID="python", pathFormat="path", linesStartAt1=True)
        self._attach = self.send("attach", justMyCode=False)
        self._wait(lambda message: message.get("event") == "initialized")

    def finish(self, breakpoints: dict[str, list[int]]) -> None:
        """Set the breakpoints, and let the program run."""
        for path, lines in breakpoints.items():
            source, places = {"path": path}, [{"line": line} for line in lines]
            self.request("setBreakpoints", source=source, breakpoints=places)
        self.request("configurationDone")
        self._wait(lambda message: message.get("request_seq") == self._attach)

    def wait_stopped(self) -> int:
        """Wait until a thread stops at a breakpoint, and return its ID."""
        return self._wait(lambda message: message.get("event") == "stopped")["body"]["threadId"]

    def wait_ended(self) -> None:
        """Wait until the program has ended."""
        self._wait(lambda message: message.get("event") in ("terminated", "exited", "closed"))

    def value(self, thread: int, expression: str) -> str:
        frame = self.request("stackTrace", threadId=thread)["stackFrames"][0]["id"]
        return self.request("evaluate", expression=expression, frameId=frame)["result"]

    def go_on(self, thread: int) -> None:
        self.request("continue", threadId=thread)

    def close(self) -> None:
        """Disconnect as editors do, also if the program has already ended."""
        self.send("disconnect", restart=False, terminateDebuggee=False)
        self._wait(lambda message: message.get("event") == "closed" or message.get("command") == "disconnect")
        with contextlib.suppress(OSError):  # the adapter has gone
            self._socket.shutdown(socket.SHUT_RDWR)

    def request(self, command: str, **arguments: Any) -> Any:
        number = self.send(command, **arguments)
        answer = self._wait(lambda message: message.get("request_seq") == number)
        assert answer["success"], answer
        return answer.get("body")

    def send(self, command: str, **arguments: Any) -> int:
        self._number += 1
        content = {"seq": self._number, "type": "request", "command": command, "arguments": arguments}
        text = json.dumps(content).encode()
        self._socket.sendall(b"Content-Length: %d\r\n\r\n%s" % (len(text), text))
        return self._number

    def _wait(self, fits: Any) -> dict[str, Any]:
        with self._changed:
            assert self._changed.wait_for(lambda: any(map(fits, self._messages)), 30), self._messages
            found = next(message for message in self._messages if fits(message))
            self._messages.remove(found)
            return found

    def _read(self) -> None:
        with self._socket, self._socket.makefile("rb") as stream:
            while True:
                try:
                    length = int(stream.readline().partition(b":")[2])
                    stream.readline()
                    message = json.loads(stream.read(length))
                except (OSError, ValueError):
                    message = {"event": "closed"}
                with self._changed:
                    self._messages.append(message)
                    self._changed.notify_all()
                if message.get("event") == "closed":
                    return

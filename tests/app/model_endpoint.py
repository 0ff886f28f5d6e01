"""A stand-in for the model endpoint of OpenAI: implements the responses API with simple rules, on a free port.

Without tools it says `TEXT, written` for the prompt `TEXT`. With tools it first has `weather` called for the prompt,
then `double` for 21, and then says what they returned.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


@contextmanager
def model_endpoint() -> Iterator[str]:
    """The base URL for `OPENAI_BASE_URL`, while the context is open."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = json.dumps(_answer(request)).encode()
        self.send_response(200 if self.path == "/v1/responses" else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": "resp_1", "object": "response", "created_at": 0, "status": "completed", "model": request["model"],
        "output": [_next_item(request)], "parallel_tool_calls": False, "tool_choice": "auto", "tools": [],
        "usage": {
            "input_tokens": 1, "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": 1, "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 2,
        },
    }  # fmt: skip


def _next_item(request: dict[str, Any]) -> dict[str, Any]:
    given = request["input"]
    items: list[dict[str, Any]] = given if isinstance(given, list) else [{"role": "user", "content": given}]
    prompt = items[0]["content"]
    results = [str(item["output"]) for item in items if item.get("type") == "function_call_output"]
    if not request.get("tools"):
        return _message(f"{prompt}, written")
    if not results:
        return _call("weather", {"city": prompt}, 1)
    if len(results) == 1:
        return _call("double", {"number": 21}, 2)
    return _message(" and ".join(results))


def _call(tool: str, arguments: dict[str, Any], number: int) -> dict[str, Any]:
    return {
        "type": "function_call", "id": f"fc_{number}", "call_id": f"call_{number}", "status": "completed",
        "name": tool, "arguments": json.dumps(arguments),
    }  # fmt: skip


def _message(text: str) -> dict[str, Any]:
    content = [{"type": "output_text", "text": text, "annotations": []}]
    return {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": content}

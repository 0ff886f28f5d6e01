"""ASGI and WSGI apps behind the SDK's wrappers.

Source: docs/protocol/functions-host-http.md#web-frameworks
"""

import asyncio
import json
from pathlib import Path

import pytest
from worker_apps import eventually, messages, running

from durable_host.invocation.errors import FunctionFailed

ASGI = {
    "function_app.py": """
        import json
        import azure.functions as func

        STARTS = []

        async def web(scope, receive, send):
            if scope["type"] == "lifespan":
                while True:
                    message = await receive()
                    if message["type"] == "lifespan.startup":
                        STARTS.append(1)
                        scope["state"]["name"] = "state"
                        await send({"type": "lifespan.startup.complete"})
                    else:
                        print("shutting down")
                        await send({"type": "lifespan.shutdown.complete"})
                        return
            request = await receive()
            told = {
                "path": scope["path"], "method": scope["method"], "query": scope["query_string"].decode(),
                "body": request["body"].decode(), "state": scope["state"], "starts": len(STARTS),
                "function": scope["azure_functions.function_name"],
                "where": scope["azure_functions.function_directory"],
            }
            headers = [(b"content-type", b"application/json"), (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]
            await send({"type": "http.response.start", "status": 203, "headers": headers})
            await send({"type": "http.response.body", "body": json.dumps(told).encode()})

        app = func.AsgiFunctionApp(app=web, http_auth_level=func.AuthLevel.ANONYMOUS)
        """
}


async def test_asgi_app_answers_and_starts_once(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    caplog.set_level("INFO")
    async with running(tmp_path, ASGI) as app:
        function = app.function("http_app_func")
        assert function.http_type == "asgi"
        assert function.trigger.properties["route"] == "/{*route}"
        replies = await asyncio.gather(
            *(app.get("http_app_func", method="POST", path=f"/api/x{n}?a=1", body=b"in") for n in range(8))
        )
        assert {reply.status for reply in replies} == {203}
        assert json.loads(replies[0].body) == {
            "path": "/api/x0",
            "method": "POST",
            "query": "a=1",
            "body": "in",
            "state": {"name": "state"},
            "starts": 1,
            "function": "http_app_func",
            "where": str(tmp_path),
        }
        assert {json.loads(reply.body)["starts"] for reply in replies} == {1}
    await eventually(lambda: "shutting down" in messages(caplog, "Host.Function.Console"))


async def test_asgi_app_whose_startup_fails_fails_the_call(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    text = """
    async def web(scope, receive, send):
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    app = func.AsgiFunctionApp(app=web)
    """
    async with running(
        tmp_path, {"function_app.py": "import azure.functions as func\n" + text.replace("\n    ", "\n")}
    ) as app:
        with pytest.raises(FunctionFailed, match=r"RuntimeError: ASGI middleware startup failed\."):
            await app.get("http_app_func")
    assert "Failed ASGI startup with message 'no database'." in messages(caplog, "Host.Worker")


WSGI = {
    "function_app.py": """
        import json
        import azure.functions as func

        def web(environ, start_response):
            names = ("REQUEST_METHOD", "PATH_INFO", "QUERY_STRING", "CONTENT_TYPE", "CONTENT_LENGTH", "HTTP_X_A")
            told = {name: environ.get(name) for name in names}
            told["body"] = environ["wsgi.input"].read().decode()
            told["function"] = environ["azure_functions.function_name"]
            start_response("201 Created", [("Content-Type", "application/json")])
            return [json.dumps(told).encode()]

        app = func.WsgiFunctionApp(app=web, http_auth_level=func.AuthLevel.ANONYMOUS)
        """
}


async def test_wsgi_app_answers(tmp_path: Path):
    async with running(tmp_path, WSGI) as app:
        headers = {"content-type": "text/x", "x-a": "1"}
        reply = await app.get("http_app_func", method="PUT", path="/api/x?q=1", body=b"in", headers=headers)
        assert reply.status == 201
        assert json.loads(reply.body) == {
            "REQUEST_METHOD": "PUT",
            "PATH_INFO": "/api/x",
            "QUERY_STRING": "q=1",
            "CONTENT_TYPE": "text/x",
            "CONTENT_LENGTH": "2",
            "HTTP_X_A": "1",
            "body": "in",
            "function": "http_app_func",
        }

"""Requests to the running host end, whatever program listens on its port."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from durable_host.cli import running_host
from durable_host.cli.running_host import Address, AnswerIncomplete, HostNotRunning, request_host

Serve = Callable[[Callable[[socket.socket], None]], Address]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """`serve(answer)`: a server that calls `answer` with each connection, in a thread, until the test ends."""
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def start(answer: Callable[[socket.socket], None]) -> Address:
        def run() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection, suppress(OSError):
                        answer(connection)

        threads.append(threading.Thread(target=run, daemon=True))
        threads[-1].start()
        return Address("127.0.0.1", listener.getsockname()[1])

    yield start
    with suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    for thread in threads:
        thread.join(10)


def _silent(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


def _reads_nothing(connection: socket.socket) -> None:
    connection.recv(1, socket.MSG_PEEK)
    threading.Event().wait(0.5)


def _drips(beginning: bytes) -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        connection.sendall(beginning)
        while True:
            connection.sendall(b"x")
            threading.Event().wait(0.001)

    return answer


def _floods(beginning: bytes, piece: bytes) -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(beginning)
        while True:
            connection.sendall(piece)

    return answer


HEAD = b"HTTP/1.1 200 OK\r\n"
BODY = HEAD + b"Content-Length: 100000000\r\n\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
SLOW = {
    "nothing": _silent,
    "a status line in drops": _drips(b"HTTP/1.1 200 "),
    "a header in drops": _drips(HEAD + b"X: "),
    "a body in drops": _drips(BODY),
    "a body without an end in drops": _drips(HEAD + b"\r\n"),
}
FLOODS = {
    "a body": _floods(HEAD + b"\r\n", bytes(65536)),
    "a body of a declared length": _floods(HEAD + b"Content-Length: 1000000000000\r\n\r\n", bytes(65536)),
    "chunks": _floods(CHUNKED, b"1000\r\n" + bytes(0x1000) + b"\r\n"),
    "headers": _floods(HEAD, b"X: y\r\n" * 1000),
    "a header": _floods(HEAD + b"X: ", b"y" * 65536),
}


@pytest.mark.parametrize("what", SLOW)
def test_a_program_that_answers_too_slowly_is_not_a_host(serve: Serve, what: str) -> None:
    address = serve(SLOW[what])
    with pytest.raises(HostNotRunning, match="No host answers") as failure:
        request_host(address, "GET", "/", answers_within=0.05)
    assert failure.value.cause in ("The answer took too long.", "timed out")  # also connecting may take too long
    assert failure.value.remedy == "Start it with 'func start', or name its port with --port."


@pytest.mark.parametrize("what", [name for name in SLOW if name != "nothing"])
def test_an_answer_that_has_begun_ends_too(serve: Serve, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(connection: socket.socket) -> None:
        connection.recv(65536)
        monkeypatch.setattr(running_host, "_TAKEN_WITHIN", 0.05)  # the time to send the request was another
        SLOW[what](connection)

    with pytest.raises(AnswerIncomplete) as failure:
        request_host(serve(answer), "GET", "/")
    assert failure.value.cause == "The answer took too long."
    assert "func start" not in str(failure.value.remedy)


def test_a_program_that_does_not_take_the_request_is_not_a_host(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running_host, "_TAKEN_WITHIN", 0.05)
    with pytest.raises(HostNotRunning, match="No host answers"):
        request_host(serve(_reads_nothing), "POST", "/", text="x" * 20_000_000)


@pytest.mark.parametrize("what", FLOODS)
@pytest.mark.parametrize(("answers_within", "error"), [(None, AnswerIncomplete), (60, HostNotRunning)])
def test_a_flood_ends(
    serve: Serve,
    what: str,
    answers_within: float | None,
    error: type[AnswerIncomplete | HostNotRunning],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(running_host, "_LONGEST", 1_000_000)
    with pytest.raises(error) as failure:
        request_host(serve(FLOODS[what]), "GET", "/", answers_within=answers_within)
    if "header" not in what:
        assert failure.value.cause == "The answer has more than 1 MB."


def test_an_answer_that_breaks_off_is_not_from_a_host_that_does_not_run(serve: Serve) -> None:
    def answer(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(BODY + b'{"a": 1}')

    with pytest.raises(AnswerIncomplete, match="cannot be read to its end") as failure:
        request_host(serve(answer), "GET", "/")
    assert "The function may have run" in str(failure.value.remedy)


def test_a_connection_that_ends_before_the_answer_is_not_one_to_a_host(serve: Serve) -> None:
    with pytest.raises(HostNotRunning, match="No host answers"):
        request_host(serve(lambda connection: connection.shutdown(socket.SHUT_RDWR)), "GET", "/")


def test_deeply_nested_json_is_text(serve: Serve) -> None:
    body = b"[" * 200_000
    head = HEAD + b"Content-Length: %d\r\n\r\n" % len(body)

    def answer(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(head + body)

    assert request_host(serve(answer), "GET", "/") == (200, body.decode())


def test_a_function_may_run_longer_than_the_request_and_the_answer_may_take(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running_host, "_TAKEN_WITHIN", 0.5)

    def answer(connection: socket.socket) -> None:
        connection.recv(65536)
        threading.Event().wait(0.7)
        monkeypatch.setattr(running_host, "_TAKEN_WITHIN", 60.0)  # for the answer, which has now begun
        connection.sendall(HEAD + b"Content-Length: 1\r\n\r\n5")

    assert request_host(serve(answer), "POST", "/", text="x") == (200, 5)

"""Which invocation the running code belongs to: in tasks, in pool threads, in threads that user code starts."""

from __future__ import annotations

import concurrent.futures
import contextvars
import threading
from collections.abc import Callable
from typing import Any

# What a call's log records and prints carry: (invocation id, function name).
Scope = tuple[str, str]

current: contextvars.ContextVar[Scope | None] = contextvars.ContextVar("durable_host_invocation", default=None)
thread_local_storage = threading.local()

_names: dict[str, str] = {}
_loop_thread = threading.get_ident()


def enter(scope: Scope) -> None:
    _names[scope[0]] = scope[1]


def leave(scope: Scope) -> None:
    _names.pop(scope[0], None)


def resolve() -> Scope | None:
    """The scope of the calling code.

    A user thread that set `context.thread_local_storage.invocation_id` says itself what it belongs to; on the event
    loop's thread the storage is shared by all calls and says nothing.
    """
    if threading.get_ident() != _loop_thread:
        invocation_id = getattr(thread_local_storage, "invocation_id", None)
        if isinstance(invocation_id, str) and invocation_id in _names:
            return invocation_id, _names[invocation_id]
    return current.get()


def inherit_into_threads() -> None:
    """Threads and pool jobs that user code starts belong to the invocation that started them."""
    start = threading.Thread.start
    submit = concurrent.futures.ThreadPoolExecutor.submit

    def start_in_scope(self: threading.Thread) -> None:
        scope = current.get()
        if scope is not None:
            run = self.run

            def run_in_scope() -> None:
                current.set(scope)
                try:
                    run()
                finally:
                    del self.run

            self.run = run_in_scope
        start(self)

    def submit_in_scope(
        self: concurrent.futures.ThreadPoolExecutor, fn: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> concurrent.futures.Future[Any]:
        return submit(self, _run_in_scope, current.get(), fn, args, kwargs)

    threading.Thread.start = start_in_scope
    concurrent.futures.ThreadPoolExecutor.submit = submit_in_scope


def _run_in_scope(scope: Scope | None, fn: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    token = current.set(scope)
    try:
        return fn(*args, **kwargs)
    finally:
        current.reset(token)

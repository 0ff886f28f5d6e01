"""Finds the invocation of the running code: in tasks, in pool threads, and in threads that user code starts."""

from __future__ import annotations

import concurrent.futures
import contextvars
import threading
from collections.abc import Callable
from typing import Any

# The members that are added to log records and prints of a call: (invocation ID, function name).
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

    A user thread can set it in `context.thread_local_storage.invocation_id`. On the event loop's thread, all calls
    share that storage, so it is ignored there.
    """
    if threading.get_ident() != _loop_thread:
        invocation_id = getattr(thread_local_storage, "invocation_id", None)
        if isinstance(invocation_id, str) and invocation_id in _names:
            return invocation_id, _names[invocation_id]
    return current.get()


def inherit_into_threads() -> None:
    """Make threads and pool jobs belong to the invocation that starts them."""
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

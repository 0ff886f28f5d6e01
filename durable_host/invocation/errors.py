"""Errors of calls, of the app, and of worker processes."""

from typing import ClassVar

from durable_host.errors import EXIT_APP, HostError
from durable_host.invocation.code_failure import CodeFailure


class FunctionFailed(Exception):
    """User code or a binding failed. `type` is the name of the error's type, `stack` the traceback text.

    `failure` has all details, for the log. `encoded` is the whole failure as an SDK has encoded it, if it has.
    """

    def __init__(
        self,
        type: str,
        message: str,
        stack: str = "",
        failure: CodeFailure | None = None,
        *,
        encoded: str | None = None,
    ) -> None:
        super().__init__(f"{type}: {message}" if failure is None or failure.names_type else message)
        self.type = type
        self.message = message
        self.stack = stack
        self.encoded = encoded
        self.failure = failure or CodeFailure(type=type, message=message, stack=stack)


class FunctionCancelled(FunctionFailed):
    """The call was cancelled, because nobody is waiting for its result. User code may have done part of its work."""

    def __init__(self) -> None:
        super().__init__("FunctionCancelled", "The call was canceled: nobody is waiting for its result.")


class FunctionTimedOut(FunctionFailed):
    """The invocation ran longer than `functionTimeout`. `was_alone`: nothing else ran in its worker."""

    def __init__(self, type: str, message: str, stack: str = "", *, was_alone: bool = False) -> None:
        super().__init__(type, message, stack)
        self.was_alone = was_alone


class ClientGone(Exception):
    """The client of a streamed HTTP call has disconnected; the text says why. The code is not at fault."""


class AppError(HostError):
    """The app cannot run."""

    code = "DH4001"
    exit_code: ClassVar[int] = EXIT_APP


class AppImportFailed(AppError):
    """The app's code cannot be imported; the cause begins with the place in the user's file."""

    code = "DH4002"


class SdkMissing(AppError):
    """The app's interpreter has no azure-functions package: install the app's requirements into it."""

    code = "DH4003"


class InterpreterUnusable(AppError):
    """The Python interpreter for the app is missing, too old or cannot be started."""

    code = "DH4004"


class WorkerStartFailed(AppError):
    """The worker process ended or hung before it had loaded the app."""

    code = "DH4005"


class DebuggerUnusable(AppError):
    """The debugger is not installed for the app's interpreter, or its port is in use."""

    code = "DH4020"


class WorkerLost(HostError):
    """The worker process ended during the call, or none was available. The host starts a new one automatically.

    `ending` says how the process ended, if this call may have caused it. If the call `was_alone`, it did.
    """

    code = "DH4010"

    def __init__(
        self,
        message: str,
        *,
        cause: str | None = None,
        remedy: str | None = None,
        ending: str | None = None,
        was_alone: bool = False,
    ) -> None:
        super().__init__(message, cause=cause, remedy=remedy)
        self.ending = ending
        self.was_alone = was_alone
